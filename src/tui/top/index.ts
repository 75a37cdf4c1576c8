export { drawFrame, type Frame, topicRows } from './frame.js';
export { History } from './history.js';
export { selectedTopic, shownTopics } from './panels/topics.js';
export { sampleText } from './plain.js';
export { TopScreen } from './screen.js';
export { firstState, type Key, press, type Replay, type TopState } from './state.js';
export type { Theme } from './theme.js';
