import { useQuery } from "@tanstack/react-query";
import { listResults } from "../../api/results.js";
import { EmptyState } from "../../components/empty-state.js";
import { PageTitle } from "../../components/page-title.js";

export function LibraryPage() {
  const { data } = useQuery({ queryKey: ["results"], queryFn: ({ signal }) => listResults({}, signal) });
  return (
    <>
      <PageTitle title="Library" />
      {data?.total === 0 && <EmptyState title="No results yet" />}
    </>
  );
}
