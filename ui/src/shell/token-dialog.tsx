import { Button, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState, useSyncExternalStore } from "react";
import { setToken, token, tokenNeeded, watchToken } from "../api/token.js";

/** Asks for the server's token as soon as it has refused a request for want of it. */
export function TokenDialog() {
  const needed = useSyncExternalStore(watchToken, tokenNeeded);
  const queries = useQueryClient();
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setToken(text.trim());
    setText("");
    void queries.invalidateQueries();
  };
  return (
    <Modal opened={needed} onClose={() => {}} withCloseButton={false} title="This server asks for its token" centered>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">
            It was set when the server was started: --token, or the variable TOKENLENSE_SERVE_TOKEN. It is kept until
            this tab is closed.
          </Text>
          <PasswordInput
            label="Token"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            error={token() === undefined ? undefined : "The server refused the last one."}
            autoComplete="current-password"
            data-autofocus
            required
            withAsterisk={false}
          />
          <Button type="submit">Go on</Button>
        </Stack>
      </form>
    </Modal>
  );
}
