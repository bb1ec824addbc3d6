import { z } from "zod";
import { type Checkpoint, refused, unsupported } from "../checkpoint.js";
import { DecoderBuffers } from "./decoder.js";
import type { Blueprint, Family, PartPlan, Sizes } from "./family.js";
import { attention, type DecoderTraits, readDecoder } from "./llama.js";
import { count, readSettings } from "./settings.js";

/** Mixtral (Jiang et al. 2024, arXiv:2401.04088): two experts of eight, their shares normalised. */
export const mixtral: Family = {
  name: "mixtral",
  sources: ["rms_norm.py", "mixtral.py"],
  gguf: "llama",
  folder: "MixtralForCausalLM",
  covers: ({ format, settings }) => format === "folder" || Boolean(settings.get("llama.expert_count")),
  blueprint: (checkpoint) =>
    blueprint(checkpoint, {
      ...{ interleaved: true, windows: "all", rotary: { theta: 1_000_000 } },
      ...{ block: "block_sparse_moe", normalised: true },
    }),
};

/** Qwen 1.5 and 2 MoE (Qwen team 2024): many small experts, and one that is always used. */
export const qwen2moe: Family = {
  name: "qwen2moe",
  sources: ["rms_norm.py", "mixtral.py"],
  gguf: "qwen2moe",
  folder: "Qwen2MoeForCausalLM",
  blueprint: (checkpoint) =>
    blueprint(checkpoint, { qkvBias: true, windows: "alternate", block: "mlp", normalised: false }),
};

/** Qwen 3 MoE (Yang et al. 2025, arXiv:2505.09388). */
export const qwen3moe: Family = {
  name: "qwen3moe",
  sources: ["rms_norm.py", "mixtral.py"],
  gguf: "qwen3moe",
  folder: "Qwen3MoeForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { headNorms: true, windows: "all", block: "mlp", normalised: true }),
};

interface Traits extends DecoderTraits {
  /** The mixture's name in a folder's layers. */
  block: string;
  /** Shares of the experts used add up to one, where the settings do not say. */
  normalised: boolean;
}

interface Experts {
  count: number;
  used: number;
  hidden: number;
  /** Width of the expert that is always used; 0 for none. */
  shared: number;
  normalised: boolean;
  /** Layers that have experts; the others have a gated MLP. */
  layers: number[];
}

function blueprint(checkpoint: Checkpoint, traits: Traits): Blueprint {
  const here = checkpoint.format === "gguf" ? ggufSettings(0) : folderSettings;
  const settings = readDecoder(checkpoint, traits, Object.keys(here.shape));
  const { sizes, tied } = settings;
  const experts =
    checkpoint.format === "gguf" ? fromGguf(checkpoint, sizes, traits) : fromFolder(checkpoint, sizes, traits);
  const plan = new DecoderBuffers(checkpoint, sizes)
    .ends(tied)
    .vector("attention_norm", "attentionNorm")
    .vector("mlp_norm", "mlpNorm");
  attention(plan, settings, traits);
  addExperts(plan, checkpoint, sizes, experts, traits);
  const dense = everyLayer(sizes).filter((i) => !experts.layers.includes(i));
  plan.gatedMlp(dense);
  return {
    ...settings,
    integers: {
      experts_used: experts.used,
      shared_hidden: experts.shared,
      normed_router: experts.normalised ? 1 : 0,
    },
    lists: {
      has_experts: everyLayer(sizes).map((i) => (experts.layers.includes(i) ? 1 : 0)),
      places: everyLayer(sizes).map((i) => Math.max(experts.layers.indexOf(i), dense.indexOf(i))),
    },
    buffers: plan.list,
  };
}

const everyLayer = ({ layers }: Sizes) => Array.from({ length: layers }, (_, i) => i);

function addExperts(
  plan: DecoderBuffers,
  checkpoint: Checkpoint,
  { width }: Sizes,
  experts: Experts,
  traits: Traits,
): void {
  const { hidden, shared, layers } = experts;
  const names =
    checkpoint.format === "gguf" ? ggufNames(experts, width) : folderNames(checkpoint, experts, width, traits);
  const each = (parts: (expert: number) => PartPlan[]) =>
    Array.from({ length: experts.count }, (_, e) => parts(e)).flat();
  plan
    .each("router", [experts.count, width], (i) => ({ tensor: names.router(i), shape: [experts.count, width] }), layers)
    .each("experts_gate_up", [experts.count, 2 * hidden, width], (i) => each((e) => names.gateUp(i, e)), layers)
    .each("experts_down", [experts.count, width, hidden], (i) => each((e) => [names.down(i, e)]), layers);
  if (shared === 0) {
    plan.none("shared_router", "shared_gate_up", "shared_down");
    return;
  }
  const of = (i: number, name: "gate" | "up" | "down", shape: number[]): PartPlan => ({
    tensor: names.shared(i, name),
    shape,
  });
  // A vector in GGUF, a matrix of one row in a folder.
  const gate = checkpoint.format === "gguf" ? [width] : [1, width];
  plan
    .each("shared_router", [1, width], (i) => ({ tensor: names.sharedRouter(i), shape: gate }), layers)
    .each(
      "shared_gate_up",
      [1, 2 * shared, width],
      (i) => [of(i, "gate", [shared, width]), of(i, "up", [shared, width])],
      layers,
    )
    .each("shared_down", [1, width, shared], (i) => of(i, "down", [width, shared]), layers);
}

interface Names {
  router(layer: number): string;
  gateUp(layer: number, expert: number): PartPlan[];
  down(layer: number, expert: number): PartPlan;
  sharedRouter(layer: number): string;
  shared(layer: number, name: "gate" | "up" | "down"): string;
}

/** GGUF has one tensor for the same part of all experts. */
function ggufNames({ count: all, hidden }: Experts, width: number): Names {
  const of = (layer: number, name: string, expert: number, rows: number, columns: number): PartPlan => ({
    tensor: `blk.${layer}.ffn_${name}_exps.weight`,
    shape: [all, rows, columns],
    rows: [expert * rows, rows],
  });
  return {
    router: (i) => `blk.${i}.ffn_gate_inp.weight`,
    gateUp: (i, e) => [of(i, "gate", e, hidden, width), of(i, "up", e, hidden, width)],
    down: (i, e) => of(i, "down", e, width, hidden),
    sharedRouter: (i) => `blk.${i}.ffn_gate_inp_shexp.weight`,
    shared: (i, name) => `blk.${i}.ffn_${name}_shexp.weight`,
  };
}

/** Folders have a tensor for each expert, or, from transformers 5 on, may have one for all. */
function folderNames(
  { tensors }: Checkpoint,
  { count: all, hidden }: Experts,
  width: number,
  { block }: Traits,
): Names {
  const at = (i: number) => `model.layers.${i}.${block}`;
  const joint = (i: number) => tensors.has(`${at(i)}.experts.gate_up_proj`);
  const [gate, up, down] = block === "mlp" ? ["gate_proj", "up_proj", "down_proj"] : ["w1", "w3", "w2"];
  const own = (i: number, e: number, name: string, shape: number[]): PartPlan => ({
    tensor: `${at(i)}.experts.${e}.${name}.weight`,
    shape,
  });
  return {
    router: (i) => `${at(i)}.gate.weight`,
    gateUp: (i, e) =>
      joint(i)
        ? [
            {
              tensor: `${at(i)}.experts.gate_up_proj`,
              shape: [all, 2 * hidden, width],
              rows: [2 * e * hidden, 2 * hidden],
            },
          ]
        : [own(i, e, gate as string, [hidden, width]), own(i, e, up as string, [hidden, width])],
    down: (i, e) =>
      joint(i)
        ? { tensor: `${at(i)}.experts.down_proj`, shape: [all, width, hidden], rows: [e * width, width] }
        : own(i, e, down as string, [width, hidden]),
    sharedRouter: (i) => `${at(i)}.shared_expert_gate.weight`,
    shared: (i, name) => `${at(i)}.shared_expert.${name}_proj.weight`,
  };
}

const ggufSettings = (hidden: number) =>
  z.object({
    expert_count: count,
    expert_used_count: count,
    expert_feed_forward_length: count.default(hidden),
    expert_shared_feed_forward_length: count.optional(),
  });

function fromGguf({ path, settings, tensors }: Checkpoint, sizes: Sizes, traits: Traits): Experts {
  const architecture = settings.get("general.architecture");
  const schema = ggufSettings(sizes.hidden);
  const read = schema.safeParse(
    Object.fromEntries(Object.keys(schema.shape).map((name) => [name, settings.get(`${architecture}.${name}`)])),
  );
  if (!read.success) throw unsupported(path, "does not say how many experts it has, and how many it uses");
  const { expert_count, expert_used_count, expert_feed_forward_length, expert_shared_feed_forward_length } = read.data;
  return {
    count: expert_count,
    used: expert_used_count,
    hidden: expert_feed_forward_length,
    shared: expert_shared_feed_forward_length ?? tensors.get("blk.0.ffn_up_shexp.weight")?.shape[0] ?? 0,
    normalised: traits.normalised,
    layers: everyLayer(sizes),
  };
}

const folderSettings = z.object({
  num_local_experts: count.optional(),
  num_experts: count.optional(),
  num_experts_per_tok: count,
  moe_intermediate_size: count.optional(),
  shared_expert_intermediate_size: count.optional(),
  norm_topk_prob: z.boolean().optional(),
  // Of layers counted from 1, those that are a multiple have experts, but for those that are listed, counted from 0.
  decoder_sparse_step: count.default(1),
  mlp_only_layers: z
    .array(z.int())
    .nullish()
    .transform((layers) => layers ?? []),
});

function fromFolder(checkpoint: Checkpoint, sizes: Sizes, traits: Traits): Experts {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings, [...checkpoint.settings.keys()]);
  const all = read.num_local_experts ?? read.num_experts;
  if (read.num_experts !== undefined && read.num_experts !== all) throw refused(path, "num_experts", read.num_experts);
  if (traits.block === "block_sparse_moe" && read.norm_topk_prob === false)
    throw refused(path, "norm_topk_prob", false);
  if (all === undefined) throw unsupported(path, "does not say how many experts it has");
  return {
    count: all,
    used: read.num_experts_per_tok,
    hidden: read.moe_intermediate_size ?? sizes.hidden,
    shared: read.shared_expert_intermediate_size ?? 0,
    normalised: read.norm_topk_prob ?? traits.normalised,
    layers: everyLayer(sizes).filter(
      (i) => (i + 1) % read.decoder_sparse_step === 0 && !read.mlp_only_layers.includes(i),
    ),
  };
}
