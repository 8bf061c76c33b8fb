// What comments, strings, numbers and words look like in eight languages and their kin.

const FLOW = "break|case|continue|else|for|if|return|while|";
const OBJECTS = `${FLOW}catch|class|const|default|enum|false|finally|import|new|null|super|switch|this|throw|true|try|void|`;
const SLASHES = "\\/\\/.*|\\/\\*[^]*?(?:\\*\\/|$)";
// After a blank: elsewhere it is a part of a word or an address.
const HASH = "(?<!\\S)#.*";
// An apostrophe within a word begins no string.
const QUOTED = "\"(?:\\\\.|[^\"\\\\\\n])*\"|(?<!\\w\\w)'(?:\\\\.|[^'\\\\\\n])*'";
const NUMBER = "\\b0[xob][\\dA-Fa-f_]+|\\b\\d[\\d_]*(?:\\.\\d+)?(?:e[+-]?\\d+)?";

// Each: its names, its comments, its strings and its words.
const LANGUAGES: [names: string, comment: string, string: string, words: string][] = [
  [
    "py python",
    HASH,
    `"""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|${QUOTED}`,
    `${FLOW}and|as|async|await|class|def|elif|except|False|finally|from|import|in|is|lambda|None|not|or|pass|raise|True|try|with|yield`,
  ],
  [
    "js jsx javascript ts tsx typescript json",
    SLASHES,
    `${QUOTED}|\`(?:\\\\.|[^\`\\\\])*\``,
    `${OBJECTS}async|await|do|export|extends|from|function|in|interface|let|of|type|typeof|var|yield`,
  ],
  [
    "go",
    SLASHES,
    `${QUOTED}|\`[^\`]*\``,
    `${FLOW}chan|const|default|defer|false|func|go|import|interface|map|nil|package|range|select|struct|switch|true|type|var`,
  ],
  [
    "rs rust",
    SLASHES,
    // A lifetime is no string.
    `"(?:\\\\.|[^"\\\\])*"|'(?:\\\\.|[^'\\\\])'`,
    `${FLOW}as|async|const|enum|false|fn|impl|in|let|loop|match|mod|mut|pub|self|static|struct|trait|true|type|use|where`,
  ],
  [
    "c cpp c++ csharp java",
    SLASHES,
    QUOTED,
    `${OBJECTS}bool|char|do|double|float|include|int|interface|long|private|public|static|struct|using|var`,
  ],
  ["sh bash shell console", HASH, QUOTED, `${FLOW}do|done|elif|esac|exit|export|fi|function|in|local|set|then|until`],
  [
    "sql",
    "--.*|\\/\\*[^]*?(?:\\*\\/|$)",
    QUOTED,
    "and|as|by|case|create|delete|desc|distinct|else|end|from|group|having|in|inner|insert|into|is|join|left|like|limit|not|null|on|or|order|select|set|table|then|union|update|values|when|where|with",
  ],
  ["yaml yml toml", HASH, QUOTED, "true|false|null"],
];

const patterns = new Map<string, RegExp>();

// What is found in code of a language, as a group for each kind; undefined where the language is not known.
export function patternOf(language: string): RegExp | undefined {
  const name = language.toLowerCase();
  const known = LANGUAGES.find(([names]) => names.split(" ").includes(name));
  if (!known) return undefined;
  const [names, comment, string, words] = known;
  let pattern = patterns.get(names);
  if (!pattern) {
    const word = `\\b(?:${words})\\b`;
    const all = [comment, string, NUMBER, word].map((each) => `(${each})`).join("|");
    patterns.set(names, (pattern = new RegExp(all, names === "sql" ? "gi" : "g")));
  }
  return pattern;
}
