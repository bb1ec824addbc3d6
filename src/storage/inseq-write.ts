import { constants } from "node:buffer";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { toGenerationParams } from "./document.js";
import { fileStem, modelPart, nameOf, storeFile } from "./files.js";
import type { InseqAdditions } from "./inseq-schema.js";
import { encodeScores } from "./inseq-tensors.js";

export interface InseqOptions {
  /** Compress the file, as Inseq's `save` does with `compress=True`; its `load` then needs `decompress=True`. */
  compress?: boolean | undefined;
  /** "analyzer" puts it where TokenLense's Analyzer looks: `data/<model>/method_<method>/data/` in the folder. Default: "flat". */
  layout?: "flat" | "analyzer" | undefined;
}

/** Stores an attribution as `inseq.FeatureAttributionOutput.load` of Inseq 0.7 reads it, and gives the file's path. */
export async function saveInseq(result: Attribution, folder: string, options: InseqOptions): Promise<string> {
  const { compress = false, layout = "flat" } = options;
  if (compress && layout === "analyzer")
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "The Analyzer does not read compressed files.", {
      hint: "Leave out either compress or the layout.",
    });
  const place = [
    folder,
    "data",
    modelPart(result.modelName),
    `method_${nameOf(result.method, 60) || "unknown"}`,
    "data",
  ];
  const bytes = inseqBytes(result);
  const data = compress ? await promisify(gzip)(bytes, { level: 5 }) : bytes;
  const suffix = `_inseq.json${compress ? ".gz" : ""}`;
  return storeFile(layout === "analyzer" ? join(...place) : folder, fileStem(result), suffix, data);
}

/**
 * What Inseq's file of an attribution holds. ASCII only, as Python's: there, a text file's encoding goes by the system.
 * @throws ERR_TOKENLENSE_INPUT where the scores do not fit, ERR_TOKENLENSE_DISPOSED.
 */
export function inseqBytes(result: Attribution): Buffer {
  const { scores, shape } = result;
  // In base64, and the tokens besides.
  if ((scores.byteLength * 4) / 3 > 0.9 * constants.MAX_STRING_LENGTH)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `Scores [${shape.join(", ")}] do not fit in an Inseq file.`, {
      hint: 'Merge a dimension first: result.aggregate("scores").',
    });
  const text = JSON.stringify(toInseq(result), undefined, 1).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  // The scores go in last, as bytes: there may be far more of them than of all else. No text holds these quotes unescaped.
  const key = '"target_attributions": ';
  const [before, after] = text.split(`${key}null`);
  const encoded = encodeScores({ shape, data: withoutLater(result) });
  return Buffer.concat([`${before}${key}"`, encoded, `"${after}\n`].map((part) => Buffer.from(part, "latin1")));
}

/** All but the scores. */
function toInseq(result: Attribution): object {
  const { tokens, promptLength, outputs, dimensions, convergenceDeltas, stepScores, generation } = result;
  const step = (data: Float32Array) => encodeScores({ shape: [outputs], data });
  const entries = tokens.map(({ token, id }) => instance("inseq.utils.typing", "TokenWithId", { token, id }));
  const kind =
    dimensions.length === 0 ? "Coarse" : String(dimensions) === "embedding" ? "Granular" : "MultiDimensional";
  return instance(ATTRIBUTION, "FeatureAttributionOutput", {
    info: {
      attribution_method: result.method,
      attribution_args: {},
      attributed_fn: result.step === undefined ? null : `${result.step}_fn`,
      attributed_fn_args: {},
      step_scores: Object.keys(stepScores),
      step_scores_args: {},
      attr_pos_start: promptLength,
      attr_pos_end: tokens.length,
      attribute_target: false,
      output_step_attributions: false,
      include_eos_baseline: false,
      model_name: result.modelName,
      model_class: null,
      tokenizer_name: null,
      tokenizer_class: null,
      input_texts: [result.prompt],
      generated_texts: [result.target],
      generation_args: toGenerationParams(generation),
      generate_from_target_prefix: false,
      constrained_decoding: generation === undefined,
      exec_time: result.timings.attribute ?? 0,
      tokenlense_native: toAdditions(result),
    },
    sequence_attributions: [
      instance(ATTRIBUTION, `${kind}FeatureAttributionSequenceOutput`, {
        source: entries.slice(0, promptLength),
        target: entries,
        source_attributions: null,
        target_attributions: null,
        step_scores: Object.fromEntries(
          [...Object.entries(stepScores), ...(convergenceDeltas ? [["deltas", convergenceDeltas] as const] : [])].map(
            ([name, data]) => [name, step(data)],
          ),
        ),
        sequence_scores: {},
        attr_pos_start: promptLength,
        attr_pos_end: tokens.length,
      }),
    ],
    step_attributions: null,
  });
}

const ATTRIBUTION = "inseq.data.attribution";

const instance = (module: string, name: string, attributes: object) => ({
  __instance_type__: [module, name],
  attributes,
});

/** The scores, NaN where the position does not come before the output. */
function withoutLater({ scores, outputs, promptLength, tokens }: Attribution): Float32Array {
  const inner = scores.length / (tokens.length * outputs);
  const marked = scores.slice();
  for (let position = promptLength; position < tokens.length; position++) {
    const row = position * outputs * inner;
    for (let i = row; i < row + (position - promptLength + 1) * inner; i++)
      if (Object.is(marked[i], 0)) marked[i] = Number.NaN;
  }
  return marked;
}

function toAdditions(result: Attribution): InseqAdditions {
  const { timestamp, input, tokens, promptLength, dimensions, pathSteps, stats, timings, versions } = result;
  return {
    timestamp: timestamp.toISOString(),
    input,
    tokens: tokens.map(({ token, id, text, start, end }) => ({ token, id, text, start, end })),
    prompt_length: promptLength,
    dimensions: [...dimensions],
    ...(pathSteps && { path_steps: [...pathSteps] }),
    ...(stats && { stats }),
    timings: { ...timings },
    versions: { ...versions },
  };
}
