// Images, audio and files of an answer.

import { useEffect, useMemo } from "preact/hooks";
import type { Shown } from "../media";

export function Media({ files }: { files: Shown[] }) {
  if (files.length === 0) return null;
  return (
    <div class="media">
      {files.map((file, index) => {
        if ("blob" in file) return <Stored key={index} {...file} />;
        if ("problem" in file) {
          return (
            <p key={index} class="hint">
              {file.problem}
            </p>
          );
        }
        return (
          <a key={index} href={file.address} target="_blank" rel="noopener noreferrer">
            {file.address}
          </a>
        );
      })}
    </div>
  );
}

// An address of this page for a file, for as long as it is shown.
export function useAddress(blob: Blob): string {
  const address = useMemo(() => URL.createObjectURL(blob), [blob]);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);
  return address;
}

function Stored({ blob, name }: { blob: Blob; name: string }) {
  const address = useAddress(blob);
  switch (blob.type.split("/")[0]) {
    case "image":
      return <img src={address} alt={name || "Picture of the answer"} />;
    case "audio":
      return <audio src={address} controls aria-label={name || "The answer's audio"} />;
    case "video":
      return <video src={address} controls aria-label={name || "The answer's video"} />;
    default:
      return (
        <a href={address} download={name || "file"}>
          {name || "File of the answer"}
        </a>
      );
  }
}
