import { TokenlenseError } from "../errors.js";
import { Attribution, type Token } from "../result.js";
import { type InseqAdditions, type InseqDocument, type InseqSequence, inseqDocument } from "./inseq-schema.js";
import { decodeScores, type Fault, type Scores } from "./inseq-tensors.js";
import { placeTokens } from "./inseq-texts.js";
import { fromGenerationParams } from "./native.js";

/**
 * The sequences in what a file of Inseq's holds; each is read when it is asked for. Scores that Inseq has as NaN, as the
 * position does not come before the output, are zero. Tokens after the attributed ones are left out, as are
 * `sequence_scores`. An encoder's tokens come before the decoder's, as part of the prompt.
 *
 * @param file Its name, for errors.
 * @param modified When it was written, for files that do not say it.
 * @throws ERR_TOKENLENSE_FORMAT, also of each sequence; these also _NON_FINITE
 */
export function inseqSequences(json: unknown, file: string, modified: Date): (() => Attribution)[] {
  const fault: Fault = (what) =>
    new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no attribution of Inseq's: ${what}.`, {
      hint: "Files that inseq.FeatureAttributionOutput.save of Inseq 0.6 and 0.7 writes can be read.",
    });
  const parsed = inseqDocument.safeParse(json);
  if (parsed.success)
    return parsed.data.sequence_attributions.map(
      (sequence, i) => () => attributionOf(parsed.data, sequence, i, { file, modified, fault }),
    );
  const [issue] = parsed.error.issues;
  throw fault(`${issue?.path.map(String).join(".") || "the file"}: ${issue?.message}`);
}

interface Source {
  file: string;
  modified: Date;
  fault: Fault;
}

function attributionOf(
  { info, sequence_attributions: all }: InseqDocument,
  sequence: InseqSequence,
  index: number,
  { file, modified, fault: faultOf }: Source,
): Attribution {
  const fault: Fault = (what) => faultOf(`sequence_attributions.${index}: ${what}`);
  const { source, target, attr_pos_start: start } = sequence;
  const end = Math.min(sequence.attr_pos_end ?? target.length, target.length);
  if (start >= end) throw fault(`attr_pos_start ${start} and attr_pos_end ${end} leave no outputs`);
  const encoded = sequence.source_attributions ? source : [];
  const promptLength = encoded.length + start;
  const outputs = end - start;
  const finite: Finite = (what) =>
    new TokenlenseError("ERR_TOKENLENSE_NON_FINITE", `${file}: sequence ${index} has a score that is ${what}.`, {
      hint: "The method failed there. Nothing can be made of such scores: attribute the text again.",
    });

  const { data: scores, shape } = stacked(sequence, encoded.length, end, outputs, fault);
  clearLater(scores, promptLength, outputs, finite);
  const stepScores = Object.fromEntries(
    Object.entries(sequence.step_scores ?? {}).map(([name, stored]) => {
      const values = decodeScores(stored, (what) => fault(`step_scores.${name}: ${what}`));
      if (values.shape.length !== 1 || values.data.length !== outputs)
        throw fault(`step_scores.${name}: expected ${outputs} values`);
      const wrong = values.data.find((value) => !Number.isFinite(value));
      if (wrong !== undefined) throw finite(`${wrong}, a step score: ${name}`);
      return [name, values.data];
    }),
  );
  const { deltas, ...functions } = stepScores;

  const textOf = (texts: readonly string[] | null | undefined) =>
    texts?.length === all.length ? texts[index] : undefined;
  const [given, generated] = [textOf(info.input_texts), textOf(info.generated_texts)];
  const entries = [...encoded, ...target.slice(0, end)];
  const ours = info.tokenlense_native;
  const own = ours && isOf(ours, entries, promptLength) ? ours : undefined;
  const { tokens, text } = own
    ? { tokens: own.tokens, text: generated ?? own.tokens.map((token) => token.text).join("") }
    : located(encoded, target, end, given, generated);
  const input = own?.input ?? text.slice(0, tokens[promptLength - 1]?.end ?? 0);
  return new Attribution({
    tokens: tokens.map((token, i): Token => ({ ...token, role: i < promptLength ? "prompt" : "target" })),
    promptLength,
    scores,
    shape,
    dimensions: dimensionsOf(shape.length - 2, sequence.kind, own, fault),
    convergenceDeltas: deltas,
    pathSteps: own?.path_steps && Int32Array.from(own.path_steps),
    stepScores: functions,
    method: info.attribution_method ?? "unknown",
    step: info.attributed_fn?.replace(/_fn$/, ""),
    modelName: info.model_name || info.model_class || "unknown",
    prompt: given ?? input,
    input,
    target: text,
    generation: info.constrained_decoding ? undefined : fromGenerationParams(info.generation_args ?? {}),
    stats: own?.stats,
    timings: own?.timings ?? {},
    versions: own?.versions ?? {},
    timestamp: own ? new Date(own.timestamp) : modified,
  });
}

/** [source and target, outputs, …] of the attributions to both. */
function stacked(sequence: InseqSequence, encoded: number, end: number, outputs: number, fault: Fault): Scores {
  const part = (name: "source_attributions" | "target_attributions", rows: number): Scores | undefined => {
    const stored = sequence[name];
    if (!stored) return undefined;
    const { shape, data } = decodeScores(stored, (what) => fault(`${name}: ${what}`));
    const [length = 0, columns, ...inner] = shape;
    if (length < rows || columns !== outputs)
      throw fault(`${name}: expected [${rows}, ${outputs}, …], there is [${shape.join(", ")}]`);
    return { shape: [rows, outputs, ...inner], data: data.subarray(0, rows * (data.length / length)) };
  };
  const [source, target] = [part("source_attributions", encoded), part("target_attributions", end)];
  const [, ...inner] = (source ?? target)?.shape ?? [];
  if (inner.length === 0) throw fault("it has no attributions");
  if (source && target && String(source.shape.slice(1)) !== String(target.shape.slice(1)))
    throw fault("source_attributions and target_attributions differ in shape");
  if (!source && target) return target;
  const data = new Float32Array((encoded + end) * inner.reduce((product, length) => product * length, 1));
  if (source) data.set(source.data);
  if (target) data.set(target.data, data.length - target.data.length);
  return { shape: [encoded + end, ...inner], data };
}

type Finite = (what: string) => TokenlenseError;

/** Makes NaN zero where the position does not come before the output. */
function clearLater(scores: Float32Array, promptLength: number, outputs: number, finite: Finite): void {
  const rows = promptLength + outputs;
  const width = scores.length / rows;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (Number.isFinite(score)) continue;
    const position = Math.floor(i / width);
    const output = Math.floor(((i % width) * outputs) / width);
    if (!Number.isNaN(score) || position < promptLength + output)
      throw finite(`${score}, of token ${position} for output ${output}`);
    scores[i] = 0;
  }
}

function dimensionsOf(count: number, kind: string | undefined, own: InseqAdditions | undefined, fault: Fault) {
  if (own?.dimensions.length === count) return own.dimensions;
  if (count === 0) return [];
  if (count === 1) return kind?.startsWith("MultiDimensional") ? ["layer"] : ["embedding"];
  if (count === 2) return ["layer", "head"];
  throw fault(`scores of ${count} dimensions besides positions and outputs`);
}

/** Not where Python merged tokens, cut them, or put other sequences in the file. */
function isOf(ours: InseqAdditions, entries: InseqSequence["target"], promptLength: number): boolean {
  return (
    ours.prompt_length === promptLength &&
    ours.tokens.length === entries.length &&
    ours.tokens.every(({ token, id }, i) => token === entries[i]?.token && id === entries[i]?.id)
  );
}

function located(
  encoded: InseqSequence["source"],
  target: InseqSequence["target"],
  end: number,
  given: string | undefined,
  generated: string | undefined,
): { tokens: Omit<Token, "role">[]; text: string } {
  const place = (entries: InseqSequence["target"], known: string | undefined, at: number) => {
    const { texts, spans, text } = placeTokens(
      entries.map(({ token }) => token),
      known,
    );
    const tokens = entries.map(({ token, id }, i) => {
      const [from, to] = spans[i] as [number, number];
      return { token, id, text: texts[i] as string, start: at + from, end: at + to };
    });
    return { tokens, text };
  };
  const before = encoded.length > 0 ? place(encoded, given, 0) : undefined;
  const lead = before ? `${before.text}\n` : "";
  const after = place(target, generated, lead.length);
  const attributed = after.tokens.slice(0, end);
  const whole = lead + after.text;
  return {
    tokens: [...(before?.tokens ?? []), ...attributed],
    text: end < target.length ? whole.slice(0, attributed.at(-1)?.end) : whole,
  };
}
