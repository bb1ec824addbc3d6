import { Anchor, MultiSelect, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import type { MethodDescription, MethodsAnswer, StepDescription } from "../../api/methods.js";
import type { LoadableModels } from "../../api/models.js";
import { bytes } from "../../components/format.js";
import { type Draft, needsContrast } from "./draft.js";
import { Options } from "./options.js";

const origins = { given: "Of this server", known: "Known by name", cached: "In the hub's cache" } as const;

export function ModelField({ form, models }: { form: UseFormReturnType<Draft>; models: LoadableModels | undefined }) {
  const all = models?.models ?? [];
  const chosen = all.find(({ name }) => name === form.values.model);
  return (
    <Select
      label="Model"
      placeholder={models ? "Choose a model" : "Asking the server…"}
      searchable
      nothingFoundMessage="No such model here"
      allowDeselect={false}
      data={(["given", "known", "cached"] as const).map((origin) => ({
        group: origins[origin],
        items: all.filter((model) => model.origin === origin).map(({ name }) => name),
      }))}
      description={
        chosen?.loaded
          ? `In memory${chosen.bytes === undefined ? "" : `, ${bytes(chosen.bytes)}`}`
          : chosen && "Loaded at its first use; downloaded where it is not there yet"
      }
      inputWrapperOrder={["label", "input", "description", "error"]}
      {...form.getInputProps("model")}
    />
  );
}

interface MethodFieldsProps {
  form: UseFormReturnType<Draft>;
  known: MethodsAnswer;
}

const costs = [
  ["gradient", "One gradient for each output"],
  ["forward", "One forward pass"],
  ["perturbation", "Perturbed texts"],
  ["path", "Gradients along a path"],
] as const;

export function MethodFields({ form, known }: MethodFieldsProps) {
  const method = known.methods.find(({ name }) => name === form.values.method);
  const { onChange, ...props } = form.getInputProps("method");
  return (
    <Stack gap="sm">
      <Select
        label="Method"
        searchable
        allowDeselect={false}
        data={costs.map(([cost, group]) => ({
          group,
          items: known.methods.filter((each) => each.cost === cost).map(({ name }) => name),
        }))}
        {...props}
        onChange={(name) => {
          onChange(name);
          form.setFieldValue("options", {});
        }}
      />
      {method && <About method={method} cost={known.costs[method.cost]} />}
      {method && (
        <Options
          schemas={changeable(method)}
          values={form.values.options}
          onChange={(options) => form.setFieldValue("options", options)}
        />
      )}
    </Stack>
  );
}

/** Without those that leave no choice. */
const changeable = ({ options }: MethodDescription) =>
  Object.fromEntries(Object.entries(options).filter(([, { enum: values }]) => values?.length !== 1));

function About({ method, cost }: { method: MethodDescription; cost: string }) {
  return (
    <Text size="sm" c="dimmed">
      {method.summary}{" "}
      <Anchor href={method.paper.url} target="_blank" rel="noreferrer" inherit underline="always">
        {method.paper.title.split(",")[0]}
      </Anchor>
      . Takes {cost}.
    </Text>
  );
}

export function StepFields({ form, known }: MethodFieldsProps) {
  const { values } = form;
  const method = known.methods.find(({ name }) => name === values.method);
  const step = known.steps.find(({ name }) => name === values.step);
  const contrastive = known.steps.filter((each) => each.contrastive).map(({ name }) => name);
  const { onChange, ...props } = form.getInputProps("step");
  return (
    <Stack gap="sm">
      <Select
        label="Step function"
        description="What of each output is explained"
        data={[
          { group: "The method's own", items: [{ value: OWN, label: method ? `default: ${method.step}` : "default" }] },
          { group: "Of the output", items: choices(known.steps, method, false) },
          { group: "Against a contrast", items: choices(known.steps, method, true) },
        ]}
        allowDeselect={false}
        searchable
        {...props}
        value={values.step || OWN}
        onChange={(name) => {
          onChange(name === OWN ? "" : name);
          form.setFieldValue("stepOptions", {});
        }}
      />
      {step && (
        <Text size="sm" c="dimmed">
          {step.summary}
        </Text>
      )}
      {step && (
        <Options
          schemas={step.options}
          values={values.stepOptions}
          onChange={(options) => form.setFieldValue("stepOptions", options)}
        />
      )}
      {needsContrast(values, contrastive) && <ContrastFields form={form} />}
      <MultiSelect
        label="Step scores"
        description="Numbers under each output, besides"
        data={known.steps.map(({ name }) => name)}
        searchable
        hidePickedOptions
        {...form.getInputProps("stepScores")}
      />
    </Stack>
  );
}

const OWN = "\u0000own";

function choices(steps: readonly StepDescription[], method: MethodDescription | undefined, contrastive: boolean) {
  const byGradient = method?.cost === "gradient" || method?.cost === "path";
  return steps
    .filter((step) => step.contrastive === contrastive)
    .map(({ name, differentiable }) => ({
      value: name,
      label: name,
      disabled: (byGradient && !differentiable) || (method?.steps ? !method.steps.includes(name) : false),
    }));
}

function ContrastFields({ form }: { form: UseFormReturnType<Draft> }) {
  return (
    <>
      <Textarea
        label="Contrast: what might have followed instead"
        description="At least as many tokens as there are outputs: token by token they are set against each other"
        placeholder="Rome."
        autosize
        minRows={1}
        {...form.getInputProps("contrast")}
      />
      <TextInput
        label="Contrast's own prompt"
        description="Where it is not the same, such as one without its context"
        placeholder="the same"
        {...form.getInputProps("contrastPrompt")}
      />
    </>
  );
}
