// What was said before this page was loaded, from the session store.

const PAST_TURNS = 30;

async function showPast(id) {
  let found;
  try {
    found = await (await ask(`api/sessions/${encodeURIComponent(id)}/turns?last=${PAST_TURNS}`)).json();
  } catch (refused) {
    if (session === id) note(`Conversation resumed. Earlier messages cannot be shown: ${refused.message}`);
    return;
  }
  // Another conversation may have been chosen meanwhile.
  if (session !== id) return;
  byId("empty")?.remove();
  const shown = document.createDocumentFragment();
  if (found.earlier) shown.append(make("p", { class: "note" }, `${found.earlier} earlier turns are not shown.`));
  for (const { messages } of found.turns) {
    const turn = pastTurn(messages);
    shown.append(turn.mine, turn.answer);
  }
  shown.append(make("p", { class: "note" }, "Conversation resumed"));
  log.prepend(shown);
  log.scrollTop = log.scrollHeight;
}

function pastTurn([mine, ...answer]) {
  const turn = new Turn(mine.content, [], name);
  if (mine.media) {
    turn.mine.append(make("ul", { class: "names" }, ...mine.media.map((media) => make("li", {}, media.mime_type || media.type))));
  }
  turn.recall(answer, mine.created_at);
  return turn;
}
