import { PageTitle } from "../../components/page-title.js";

export function ExplorePage() {
  return <PageTitle title="Explore" />;
}
