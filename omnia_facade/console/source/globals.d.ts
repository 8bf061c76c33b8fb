// Set when a page is made: whether it is the one of several agents. What the other one does not use is left out of it.
declare const HUB: boolean;
