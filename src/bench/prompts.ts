/** A prompt of a benchmark, and what the tables call it. */
export interface BenchPrompt {
  name: string;
  text: string;
  /** The system message; the prompt is then put in the model's chat format. */
  system?: string;
}

/** Written for this project: kinds of text that attributions are asked about, from a few tokens to about sixty. */
export const builtinPrompts: readonly BenchPrompt[] = [
  { name: "fact", text: "The capital of France is" },
  { name: "translation", text: "English: good morning\nGerman: guten Morgen\nEnglish: good night\nGerman:" },
  { name: "coreference", text: "The cup fell off the shelf because it was too narrow. What was too narrow was the" },
  { name: "code", text: "def area(width, height):\n    return width *" },
  {
    name: "context",
    text: "Mara keeps bees behind the old mill. Her brother Jon repairs clocks in the harbour town, and every spring he brings her a new one for the kitchen wall.\nQuestion: What does Jon repair?\nAnswer:",
  },
  {
    name: "sentiment",
    text: "Review: The soup was cold, the waiter forgot us twice, and the bill was wrong. Still, the bread was good. All in all the evening was a",
  },
];

/** What prompts of a given length are cut from; it is repeated where it is too short. */
export const passage = `The ferry leaves the island at six, when the lamps on the quay are still lit and the fishermen mend
their nets. In summer it carries painters and families with bicycles; in winter mail, bread, and a nurse who visits the
northern farms on Tuesdays. The captain knows each passenger by the colour of a coat. Once, in a storm, she turned back
halfway, since the beacon on the point had gone dark, and the whole village walked out with torches to show her the way.
They still speak of it when the wind comes from the east, and a brass plate by the wheel names those who stood on the
rocks that night. On clear mornings the mountains of the mainland seem near enough to touch. `;
