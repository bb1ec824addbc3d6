import { Button, Group } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { ApiError } from "../api/request.js";
import { counted } from "../components/format.js";
import { GRACE, removeSoon, removing, watchRemoving } from "./removal.js";

/** The ids of results that are about to be removed. */
export const useRemoving = (): ReadonlySet<string> => useSyncExternalStore(watchRemoving, removing);

/** Removes results, with a notice that offers to keep them. */
export function useRemoval(): (ids: readonly string[]) => void {
  const queries = useQueryClient();
  return (ids) => {
    const id = `removed ${ids[0]}`;
    const done = async (errors: unknown[]) => {
      notifications.hide(id);
      await queries.invalidateQueries({ queryKey: ["results"] });
      for (const error of errors)
        notifications.show({
          color: "red",
          title: "A result was not removed",
          message: error instanceof ApiError ? `${error.message} ${error.hint ?? ""}` : String(error),
        });
    };
    const removal = removeSoon(ids, done);
    notifications.show({
      id,
      autoClose: GRACE,
      withCloseButton: false,
      title: `${counted(ids.length, "result")} removed`,
      message: (
        <Group justify="space-between">
          <span>It can still be brought back.</span>
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              removal.undo();
              notifications.hide(id);
            }}
          >
            Undo
          </Button>
        </Group>
      ),
    });
  };
}
