import { Button, Card, Group, Skeleton, Stack } from "@mantine/core";
import { IconEyeSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { listResults } from "../../api/results.js";
import { ErrorState } from "../../components/error-state.js";
import { NoResults } from "../../components/no-results.js";
import { PageTitle } from "../../components/page-title.js";
import { ResultLine } from "../../components/result-line.js";
import { useRemoving } from "../../removal/use-removal.js";

/** The newest results. */
export function Chooser() {
  const { data, error, refetch } = useQuery({
    queryKey: ["results", "list", { pageSize: 12 }],
    queryFn: ({ signal }) => listResults({ pageSize: 12 }, signal),
  });
  const removing = useRemoving();
  const items = data?.items.filter(({ id }) => !removing.has(id));
  return (
    <>
      <PageTitle title="Explore">Choose a result, and see what each of its tokens leaned on.</PageTitle>
      {error ? (
        <ErrorState title="The results cannot be listed" error={error} retry={() => void refetch()} />
      ) : !items ? (
        <Skeleton h={300} aria-label="Fetching results" />
      ) : items.length === 0 ? (
        <NoResults icon={<IconEyeSearch size={40} stroke={1.3} aria-hidden />}>
          Attribute a text, or drop a file of TokenLense's or Inseq's on the library.
        </NoResults>
      ) : (
        <Stack gap="md">
          <Card withBorder padding={4}>
            <Stack gap={2} component="ul" m={0} p={0} style={{ listStyle: "none" }}>
              {items.map((item) => (
                <li key={item.id}>
                  <Link className="row link" to={`/explore/${encodeURIComponent(item.id)}`}>
                    <ResultLine result={item} />
                  </Link>
                </li>
              ))}
            </Stack>
          </Card>
          <Group>
            <Button component={Link} to="/library" variant="default">
              All results
            </Button>
          </Group>
        </Stack>
      )}
    </>
  );
}
