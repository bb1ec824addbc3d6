import { PageTitle } from "../../components/page-title.js";

export function ComparePage() {
  return <PageTitle title="Compare" />;
}
