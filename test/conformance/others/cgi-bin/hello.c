/* A program in C: CRLF in its head, its body echoed. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  const char *length = getenv("CONTENT_LENGTH");
  long left = length == NULL ? 0 : atol(length);
  int byte;
  printf("Content-Type: text/plain\r\nX-Language: C\r\n\r\nHello from C: ");
  while (left-- > 0 && (byte = getchar()) != EOF) putchar(byte);
  return 0;
}
