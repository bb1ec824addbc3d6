import { PageTitle } from "../../components/page-title.js";

export function PerformancePage() {
  return <PageTitle title="Performance" />;
}
