import { Button, Skeleton, Stack } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconColumns } from "@tabler/icons-react";
import { useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { getResult } from "../../api/results.js";
import { idsIn, MOST_COMPARED, withIds } from "../../components/compare-address.js";
import { EmptyState } from "../../components/empty-state.js";
import { useLensQuery } from "../../components/lens-query.js";
import { PageTitle } from "../../components/page-title.js";
import { TokenLens } from "../../components/token-lens.js";
import { Actions } from "./actions.js";
import { Agreement, OutputAgreement } from "./agreement.js";
import { Picker } from "./picker.js";
import { Slots } from "./slots.js";

/** Two to four results side by side. */
export function ComparePage() {
  const [query, setQuery] = useSearchParams();
  const ids = idsIn(query);
  const setIds = (chosen: readonly string[]) =>
    setQuery((before) => withIds(before, chosen), { preventScrollReset: true });
  const [picking, picker] = useDisclosure();
  /** Whose place the result that is picked takes; none where it is one more. */
  const [replaced, setReplaced] = useState<string>();
  const pick = (id?: string) => {
    setReplaced(id);
    picker.open();
  };
  const results = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["result", id, 0],
      queryFn: ({ signal }: { signal: AbortSignal }) => getResult(id, 0, signal),
      staleTime: Number.POSITIVE_INFINITY,
    })),
    combine: (answers) => ({
      documents: answers.flatMap(({ data }) => data ?? []),
      errors: answers.map(({ error }) => error),
      pending: answers.some(({ isPending }) => isPending),
    }),
  });
  const shown = ids.filter((_, i) => results.errors[i] === null);
  return (
    <>
      <PageTitle
        title="Compare"
        actions={!results.pending && shown.length > 1 && <Actions ids={shown} documents={results.documents} />}
      >
        Results side by side: other methods, models or prompts.
      </PageTitle>
      {ids.length === 0 ? (
        <EmptyState
          title="Choose what to compare"
          icon={<IconColumns size={40} stroke={1.4} aria-hidden />}
          action={
            <>
              <Button onClick={() => pick()}>Choose a result</Button>
              <Button component={Link} to="/library" variant="default">
                To the library
              </Button>
            </>
          }
        >
          Choose two to {MOST_COMPARED} results here, or tick them in the library and press Compare.
        </EmptyState>
      ) : (
        <Stack>
          <Slots
            ids={ids}
            errors={results.errors}
            onReplace={pick}
            onRemove={(id) => setIds(ids.filter((each) => each !== id))}
            onAdd={() => pick()}
          />
          {results.pending ? (
            <Skeleton h={520} aria-label="Fetching the results" />
          ) : shown.length < 2 ? (
            <EmptyState title="One more is needed" action={<Button onClick={() => pick()}>Choose a result</Button>}>
              A comparison takes two results or more.
            </EmptyState>
          ) : (
            <>
              <Agreement ids={shown} />
              <Drawn documents={results.documents} />
              <OutputAgreement ids={shown} />
            </>
          )}
        </Stack>
      )}
      {picking && (
        <Picker
          taken={ids}
          onClose={picker.close}
          onPick={(id) => {
            picker.close();
            setIds(replaced === undefined ? [...ids, id] : ids.map((each) => (each === replaced ? id : each)));
          }}
        />
      )}
    </>
  );
}

function Drawn({ documents }: { documents: Parameters<typeof TokenLens>[0]["results"] }) {
  const { state, setState } = useLensQuery();
  return (
    <div className="framed" style={{ margin: 0 }}>
      <TokenLens results={documents} state={state} onChange={setState} />
    </div>
  );
}
