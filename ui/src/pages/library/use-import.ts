import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "../../api/request.js";
import { importResult } from "../../api/results.js";
import { counted } from "../../components/format.js";

/** Brings files to the server one after another, and says what became of them. */
export function useImport() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (files: readonly File[]) => {
      let results = 0;
      for (const file of files)
        try {
          results += (await importResult(file)).ids.length;
        } catch (error) {
          const { message, hint = "" } = error instanceof ApiError ? error : { message: String(error) };
          notifications.show({
            color: "red",
            title: `${file.name} was not imported`,
            message: `${message} ${hint}`,
            autoClose: false,
          });
        }
      return results;
    },
    onSuccess: async (results) => {
      await queries.invalidateQueries({ queryKey: ["results"] });
      if (results > 0) notifications.show({ message: `${counted(results, "result")} imported` });
    },
  });
}
