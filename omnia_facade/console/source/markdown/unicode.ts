// The classes of characters that decide what is emphasized (CommonMark 0.31, section 2.1), from the browser's own tables.

export const P = /\p{P}/u;
export const S = /\p{S}/u;
