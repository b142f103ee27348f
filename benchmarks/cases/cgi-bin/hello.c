/* Built when it is measured. */
#include <stdio.h>

int main(void) {
  fputs("Content-Type: text/plain\n\nHello, World!\n", stdout);
  return 0;
}
