/** Where access log lines go. One sink per path in a worker; lines are gathered and written together. */
export interface AccessLogSink {
  /** `line` ends with a newline. Never blocks; counts what a full buffer drops. */
  write(line: string): void;
}

export interface AccessLogSinks {
  file(path: string): AccessLogSink;
  readonly stdout: AccessLogSink;
  readonly stderr: AccessLogSink;
  /** SIGUSR1 and /reopen_logs. */
  reopen(): void;
  /** Everything written so far is with the kernel. */
  flush(): void;
}
