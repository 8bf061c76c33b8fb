// What the page of several agents gives to its second file, so that neither has a copy of what the other has. The build
// reads this list: what the second file uses of these modules has to be in it.

export { Fragment, jsx, jsxs } from "preact/jsx-runtime";
export { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
export { Changes, useChanges } from "./parts/changes";
export { cost, pretty, seconds, usageFacts } from "./parts/figures";
export { Close } from "./parts/icons";
export { baseOf } from "./place";
export { addressOf, NOWHERE, routes } from "./routes";
export { AgentList, RailButton } from "./views/agents";
export { Header } from "./views/header";
export { Home } from "./views/home";
export { RailFrame } from "./views/rail";
export { hub } from "./wire/hub";
export { asJson, Refused } from "./wire/http";
