/**
 * TorchScript: `outside(logits)` marks the tokens outside the nucleus of probability `topP`, as Inseq has it: ascending,
 * those before the mass 1 − topP is passed; the likeliest `keep` always stay.
 */
export function outsideNucleus(topP: number, keep: number): string {
  return `
def outside(logits: Tensor) -> Tensor:
    values, order = torch.sort(logits, -1, False)
    mass = torch.cumsum(torch.softmax(values, -1), -1)
    removed = mass <= ${1 - topP}
    removed[:, -${keep}:] = False
    return removed.scatter(1, order, removed)
`;
}
