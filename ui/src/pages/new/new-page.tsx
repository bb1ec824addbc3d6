import { PageTitle } from "../../components/page-title.js";

export function NewPage() {
  return <PageTitle title="New attribution" />;
}
