/** What is attributed: the first tokens of a text, and their greedy continuation. */
export interface Size {
  name: string;
  text: string;
  promptLength: number;
  outputs: number;
}

const STORM =
  "When the storm had finally passed, the old fisherman looked at his broken boat and decided that he would have to build a new one before winter.";

const LIGHTHOUSE = `The lighthouse on the northern cape was built in 1871, after the wreck of three merchant ships in a single winter.
Its keeper had to climb one hundred and ninety-two steps every evening, carrying oil for the lamp, and every morning he
wrote the weather, the state of the sea and the names of passing vessels into a book. Forty-one of these books survive.
They are kept in the town library, in a room without windows, because the ink fades when the sun touches it. A historian
who studied them for six years found that the keepers described the same storms in very different words: one counted the
waves between two gusts, another noted which birds had taken shelter under the gallery, and a third, who had been a
schoolteacher, compared each storm with one that he had read about. She concluded that the books say as much about the
men as about the sea. In 1954 the lamp was electrified and the last keeper moved to the mainland. He was asked by a
newspaper whether he would miss the light. He answered that he would miss the dark around it. Since then the tower has
been a museum, a weather station, and for one summer a hotel with a single room.`;

export const DEFAULT_SIZE: Size = { name: "23 + 24", text: STORM, promptLength: 23, outputs: 24 };
export const LARGE_SIZE: Size = { name: "256 + 128", text: LIGHTHOUSE, promptLength: 256, outputs: 128 };
