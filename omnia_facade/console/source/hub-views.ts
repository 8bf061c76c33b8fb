// The second file of the page of several agents: views that not everybody opens. The page imports it with the first.

export { Asked } from "./views/asked";
export { FunctionPage } from "./views/function";
export { HistoryPage } from "./views/history";
