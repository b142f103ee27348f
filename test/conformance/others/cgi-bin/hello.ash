#!/bin/busybox sh
# The shell of Alpine Linux; a form that is read by dd, as small devices do.
printf 'Content-Type: text/plain\r\n\r\n'
printf 'Hello from BusyBox: '
[ "${CONTENT_LENGTH:-0}" -gt 0 ] && dd bs=1 count="$CONTENT_LENGTH" 2>/dev/null
echo " $REQUEST_METHOD $PATH_INFO"
