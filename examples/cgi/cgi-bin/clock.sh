#!/bin/sh
# X-Accel-Buffering: no: each line is sent when it is written, and a slow client is waited for.
printf 'Content-Type: text/plain\nX-Accel-Buffering: no\n\n'
for _ in 1 2 3 4 5; do
  date
  sleep 1
done
