"""What Inseq 0.7.1 and captum 0.9 really do in each method: read in their source and checked by running them."""

ABOUT = {
    "arrays": (
        "[sequence, outputs, …], not normalised, 0 where a position is not before the output. vnorm and sum: L2 norm and "
        "signed sum over the embedding dimension. deltas: [outputs, …], Inseq's convergence deltas. float32: Inseq as it "
        "ships. float64: what `reference` says, stored as float32."
    ),
    "baseline": "embeddings of the unknown token at every position, but an end token (eos) stays what it is",
    "attention": (
        "Attributed once, from the last output's forward pass over sequence − 1 tokens. An output's column is the query row of "
        "the position that predicts it (its own position − 1), keys up to and including that row. value_zeroing likewise."
    ),
    "deeplift": (
        "captum 0.9 has rules only for nn modules of exactly the classes ReLU, ELU, LeakyReLU, Sigmoid, Tanh, Softplus, Softmax "
        "and max-pooling. Neither model has one: activations are SiLUActivation/SiLU and NewGELUActivation, softmax and tanh "
        "are called as functions, norms are no rule at all. So Inseq's deeplift is gradient × (input − baseline), with the "
        "gradient at the input, which this script checks element by element; its deltas are far from 0."
    ),
    "layers": (
        "Inseq gives captum ids, but its forward takes the ids from an argument beside, so that the baseline never reaches the "
        "model: layer_integrated_gradients and layer_deeplift are 0 everywhere, for every layer. Their float64 is a plain "
        "loop with the baseline's activations; for layer_deeplift gradient × (activation − baseline's activation)."
    ),
    "gradient_shap": (
        "Mean over samples of gradient × (input − baseline) at baseline + c·(input + noise − baseline), where (input + noise) is "
        "also the input of the product. captum draws c [samples] with numpy and the noise with torch; here they are `random`, the "
        "same c at each output, and the noise's first positions."
    ),
    "sequential_integrated_gradients": (
        "Each position's path runs from the baseline's embedding to the token's while all others stay the input; only "
        "that position's attribution is kept."
    ),
    "discretized_integrated_gradients": (
        "Path of n_steps points: the baseline, then monotonic points from the last anchor back to the token. Attribution is the "
        "sum of gradient(pointₖ) · (pointₖ₊₁ − pointₖ) over k < n_steps − 1. A special token's path is n_steps − 1 times itself, then "
        "the baseline. `paths` has the words by token id, from the token on. Neighbours: 50 nearest by Euclidean distance in "
        "float32, without the token itself, nearest first; ties in the strategy's measure go to the nearer. n_neighbors cannot "
        "be set (Inseq drops the argument)."
    ),
    "lime": (
        "Perturbs embeddings, not ids: a masked position becomes the number of the mask token's id (unk, or pad with "
        "mask_token) in every dimension. Special tokens are masked too, because Inseq looks for ids among embeddings. Features are "
        "the perturbed embeddings themselves, weights the count of elements equal to the input's, the model scikit-learn's "
        "Ridge with alpha 1 and an intercept, in float64. The attribution is its coefficients [sequence, width]. plain.py has "
        "the same with one feature per token, and this script checks that they are equal."
    ),
    "reagent": (
        "nltk's data, which its sampler needs, cannot be had here: ids are sampled uniformly from the vocabulary. All that is random "
        "is in `outputs`, one item per output: initial [probes, prefix]; per step uniform (a position is replaced where it is "
        "below replacing_ratio), probe and stop (the ids put in when probing, and in the test), stopped (of the test alone). Always the "
        "softmax probability of the given target, whatever the attributed function. A stopped probe's scores stay. The "
        "result is the mean over the probes that have stopped of softmax(scores), repeated over the embedding dimension (stored "
        "once: vnorm is √width times that); NaN if none has stopped after max_probe_steps."
    ),
    "value_zeroing": (
        "Fails in Inseq (`error`). The plain loop: at each layer and position j the layer's value vectors of j become 0, its "
        "input stays clean; 1 − cosine similarity of the output state at each row ≥ j (of the last layer after the final norm); below 1e-5 "
        "is 0; each row's scores sum to 1 over j."
    ),
    "beyond Inseq": (
        "attention_rollout (row of the predicting position; mean over heads, ½A + ½I), gradient_x_attention (A ⊙ ∂f/∂A summed over "
        "query rows, by key, layer and head, f the probability), attnlrp (relevance of the token embeddings for the target's "
        "logit: `value`, `total` is the relevance's sum, not equal because biases keep their share) and deeplift_rules (rules.py; "
        "each output's sum is value − valueAtBaseline to 1e-10) are plain float64. The baseline is Inseq's, or with "
        "baseline: unk the unknown token for an end token too."
    ),
}
