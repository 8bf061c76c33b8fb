// The files of a conversation: those of its user and of its answers, with what they can be saved by.

import type { Conversation } from "../conversation";
import type { Shown } from "../media";
import { size } from "../parts/figures";
import { useChanges } from "../parts/changes";
import type { Turn } from "../turn";
import { useAddress } from "./media";

export const Files = ({ conversation }: { conversation: Conversation }) => (
  <>
    <h2>Files</h2>
    {conversation.turns.map((turn) => (
      <OfTurn key={turn.key} turn={turn} number={conversation.numberOf(turn)} />
    ))}
    <p class="hint">Files of messages are here until the page is loaded again; then their kind is known only.</p>
  </>
);

function OfTurn({ turn, number }: { turn: Turn; number: number }) {
  useChanges(turn);
  const mine = turn.files.map((blob): Shown => ({ blob, name: blob.name }));
  const told = turn.files.length ? [] : turn.fileNames;
  if (!mine.length && !told.length && !turn.media.length) return null;
  return (
    <section aria-label={`Turn ${number}`}>
      <h3>Turn {number}</h3>
      <ul class="files">
        {told.map((name) => (
          <li key={name}>{name}, yours</li>
        ))}
        {mine.map((file, index) => (
          <File key={index} file={file} whose="yours" />
        ))}
        {turn.media.map((file, index) => (
          <File key={index} file={file} whose="of the answer" />
        ))}
      </ul>
    </section>
  );
}

function File({ file, whose }: { file: Shown; whose: string }) {
  if ("blob" in file) return <Saved {...file} whose={whose} />;
  if ("problem" in file) return <li>{file.problem}</li>;
  return (
    <li>
      <a href={file.address} target="_blank" rel="noopener noreferrer">
        {file.address}
      </a>
    </li>
  );
}

function Saved({ blob, name, whose }: { blob: Blob; name: string; whose: string }) {
  const address = useAddress(blob);
  const title = name || blob.type || "file";
  return (
    <li>
      {blob.type.startsWith("image/") && <img src={address} alt="" />}
      <span>
        {title}
        <small>
          {size(blob.size)}, {whose}
        </small>
      </span>
      <a class="button" href={address} download={name || `file.${blob.type.split("/")[1] ?? "bin"}`} aria-label={`Save ${title}`}>
        Save
      </a>
    </li>
  );
}
