import { PageTitle } from "../../components/page-title.js";

export function ImportancePage() {
  return <PageTitle title="Token importance" />;
}
