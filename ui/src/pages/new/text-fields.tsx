import {
  ActionIcon,
  Button,
  Collapse,
  Group,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  UnstyledButton,
} from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronRight, IconPlus, IconTrash } from "@tabler/icons-react";
import { beforeIt, type Draft, message, wholeText } from "./draft.js";

interface FieldsProps {
  form: UseFormReturnType<Draft>;
}

/** The prompt: a text, or a conversation. */
export function PromptFields({ form }: FieldsProps) {
  const { kind } = form.values;
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label="Kind of prompt"
        data={[
          { value: "plain", label: "Plain text" },
          { value: "chat", label: "Conversation" },
        ]}
        {...form.getInputProps("kind")}
      />
      {kind === "plain" ? (
        <Textarea
          label="Prompt"
          placeholder="The capital of France is"
          autosize
          minRows={3}
          maxRows={14}
          {...form.getInputProps("prompt")}
        />
      ) : (
        <Conversation form={form} />
      )}
    </Stack>
  );
}

const roles = ["system", "user", "assistant"];

function Conversation({ form }: FieldsProps) {
  const { messages } = form.values;
  const next = messages.at(-1)?.role === "user" ? "assistant" : "user";
  return (
    <Stack gap="sm">
      {messages.map(({ key, role }, i) => (
        <Group key={key} align="flex-start" gap="xs" wrap="nowrap">
          <Stack gap={6} flex={1}>
            <Select
              aria-label={`Role of message ${i + 1}`}
              data={roles.includes(role) ? roles : [...roles, role]}
              size="xs"
              w={130}
              allowDeselect={false}
              {...form.getInputProps(`messages.${i}.role`)}
            />
            <Textarea
              aria-label={`Message ${i + 1}`}
              placeholder={role === "system" ? "Be brief." : "What is the capital of France?"}
              autosize
              minRows={2}
              maxRows={12}
              {...form.getInputProps(`messages.${i}.content`)}
            />
          </Stack>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Remove message ${i + 1}`}
            disabled={messages.length === 1}
            onClick={() => form.removeListItem("messages", i)}
          >
            <IconTrash size={17} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      <div>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={15} aria-hidden />}
          onClick={() => form.insertListItem("messages", message(next))}
        >
          Add a message
        </Button>
      </div>
    </Stack>
  );
}

/** What follows the prompt, and is attributed. */
export function EndingFields({ form }: FieldsProps) {
  const { ending, continuation, kind } = form.values;
  return (
    <Stack gap="sm">
      <SegmentedControl
        aria-label="Who continues"
        data={[
          { value: "model", label: "Model continues" },
          { value: "given", label: "Given text" },
        ]}
        {...form.getInputProps("ending")}
      />
      {ending === "model" ? (
        <>
          <NumberInput
            label="New tokens, at most"
            min={1}
            allowDecimal={false}
            {...form.getInputProps("maxNewTokens")}
          />
          <Sampling form={form} />
        </>
      ) : (
        <>
          <Textarea
            label={kind === "plain" ? "What follows the prompt" : "The reply"}
            placeholder="Paris."
            autosize
            minRows={2}
            maxRows={12}
            {...form.getInputProps("continuation")}
          />
          {continuation !== "" && kind === "plain" && <Preview form={form} />}
        </>
      )}
    </Stack>
  );
}

/** The whole text, as the model will read it. */
function Preview({ form: { values } }: FieldsProps) {
  const before = beforeIt(values);
  return (
    <Text size="sm" style={{ whiteSpace: "pre-wrap" }}>
      <Text span c="dimmed" inherit>
        The whole text: {before}
      </Text>
      <Text span fw={600} inherit>
        {wholeText(values, values.continuation).slice(before.length)}
      </Text>
    </Text>
  );
}

function Sampling({ form }: FieldsProps) {
  const [opened, { toggle }] = useDisclosure(form.values.temperature !== "");
  return (
    <div>
      <UnstyledButton onClick={toggle} aria-expanded={opened} c="dimmed" fz="sm">
        <Group gap={4}>
          <IconChevronRight size={15} aria-hidden style={{ rotate: opened ? "90deg" : "none" }} />
          Sampling: {Number(form.values.temperature) > 0 ? `temperature ${form.values.temperature}` : "greedy"}
        </Group>
      </UnstyledButton>
      <Collapse expanded={opened}>
        <SimpleGrid cols={{ base: 2, xs: 4 }} spacing="sm" pt="xs">
          <NumberInput
            label="Temperature"
            placeholder="0, greedy"
            min={0}
            step={0.1}
            {...form.getInputProps("temperature")}
          />
          <NumberInput label="Top k" placeholder="no limit" min={0} {...form.getInputProps("topK")} />
          <NumberInput label="Top p" placeholder="1" min={0} max={1} step={0.05} {...form.getInputProps("topP")} />
          <NumberInput label="Seed" placeholder="drawn" min={0} {...form.getInputProps("seed")} />
        </SimpleGrid>
      </Collapse>
    </div>
  );
}
