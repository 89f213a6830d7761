/** A voice note from the microphone: opus in WebM, or MP4 where the browser has no WebM. Nothing is kept here. */
export const LONGEST_S = 60;
const BITS_PER_SECOND = 32_000; // speech; a minute is 240 kB
const TYPES = ["audio/webm;codecs=opus", "audio/mp4"];

export type NoRecording = "insecure" | "none" | "denied" | "failed";

export interface Recording {
  /** Ends it; the microphone is free again when this settles. */
  stop(): void;
  done: Promise<{ sound: Blob; lengthS: number } | "failed">;
}

export async function record(): Promise<Recording | NoRecording> {
  if (!isSecureContext) return "insecure";
  if (typeof MediaRecorder === "undefined" || !navigator.mediaDevices) return "none";
  const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
  if (!type) return "none";
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") return "denied";
    return name === "NotFoundError" ? "none" : "failed";
  }
  try {
    return started(stream, type);
  } catch {
    stream.getTracks().forEach((track) => track.stop());
    return "failed";
  }
}

function started(stream: MediaStream, type: string): Recording | NoRecording {
  const recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: BITS_PER_SECOND });
  const pieces: Blob[] = [];
  const beganMs = performance.now();
  let isFailed = false;
  const done = new Promise<{ sound: Blob; lengthS: number } | "failed">((resolve) => {
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.onerror = () => (isFailed = true);
    recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      const sound = new Blob(pieces, { type });
      const lengthS = Math.max(1, Math.round((performance.now() - beganMs) / 1000));
      resolve(isFailed || sound.size === 0 ? "failed" : { sound, lengthS });
    };
  });
  const stop = (): void => {
    clearTimeout(limit);
    if (recorder.state !== "inactive") recorder.stop();
  };
  const limit = setTimeout(stop, LONGEST_S * 1000);
  recorder.start();
  return { stop, done };
}
