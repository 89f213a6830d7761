/** What is typed into one input without leaving it is one step of undo. */
export function useTyping() {
  let isGoingOn = false;
  return {
    /** The input is entered. */
    begin: (): void => {
      isGoingOn = false;
    },
    /** Whether what is typed now goes on with the change before. */
    isJoined: (): boolean => {
      const was = isGoingOn;
      isGoingOn = true;
      return was;
    },
  };
}
