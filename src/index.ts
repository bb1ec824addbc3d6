export type { AggregationFunctionName } from "./aggregation/functions.js";
export type { Aggregation, AggregationStep } from "./aggregation/index.js";
export type { NormalisationName } from "./aggregation/normalise.js";
export type { PairFunction } from "./aggregation/pair.js";
export type { Selection } from "./aggregation/scores.js";
export type { Span } from "./aggregation/segments.js";
export type { SplitMode } from "./aggregation/split.js";
export { type AttributeOptions, type AttributionProgress, attribute } from "./attribute.js";
export {
  type AttributeInput,
  type AttributeManyOptions,
  type AttributeOutcome,
  attributeMany,
  type ManyProgress,
} from "./attribute-many.js";
export {
  type AttributeContextOptions,
  attributeContext,
  type ContextAttribution,
  type Cue,
  type SensitiveOutput,
} from "./context.js";
export type { ContrastOption } from "./contrast.js";
export { type ErrorCode, TokenlenseError } from "./errors.js";
export {
  type Faithfulness,
  type FaithfulnessOptions,
  type FaithfulnessProgress,
  faithfulness,
  type OutputFaithfulness,
  type ResultFaithfulness,
} from "./faithfulness/faithfulness.js";
export type { FaithfulnessFigures } from "./faithfulness/figures.js";
export {
  checkRandomisation,
  type RandomisationCheck,
  type RandomisationOptions,
  type RandomisationProgress,
  type RandomisationStage,
} from "./faithfulness/randomisation.js";
export { type FaithfulnessEstimate, type FaithfulnessSummary, summariseFaithfulness } from "./faithfulness/summary.js";
export {
  type GenerateOptions,
  type Generation,
  type GenerationParameters,
  generate,
  type PromptOptions,
  type SamplingOptions,
} from "./generate.js";
export { native } from "./install/binding.js";
export { type Method, type MethodName, type MethodOptions, methods } from "./methods/index.js";
export type { ChatMessage } from "./models/chat.js";
export { loadModel, type Model } from "./models/model.js";
export { type RandomiseOptions, randomiseModel } from "./models/randomise.js";
export type { AttributionStats, Native, NativeTensor } from "./native.js";
export { Attribution, type AttributionData, type Token } from "./result.js";
export {
  registerStep,
  type ScoredStep,
  type StepChoice,
  type StepFunction,
  type StepName,
  type StepTensors,
  steps,
} from "./steps/index.js";
export type { InseqOptions } from "./storage/inseq-write.js";
export {
  type ListOptions,
  listResults,
  type ResultList,
  type ResultQuery,
  type StoredResult,
} from "./storage/list.js";
export { removeResult } from "./storage/remove.js";
export { load, loadAll, type SaveOptions, save } from "./storage/results.js";
export type { NativeDocument } from "./storage/schema.js";
export type { Agreement, OutputAgreement, PairAgreement } from "./viz/agreement.js";
export type { Theme } from "./viz/scale.js";
export type { SvgOptions } from "./viz/svg.js";
export type { PictureNormalisation } from "./viz/view.js";
export {
  compare,
  type PngOptions,
  toPng,
  toSvg,
  type Visualization,
  type VisualizeOptions,
  visualize,
} from "./viz/visualize.js";
