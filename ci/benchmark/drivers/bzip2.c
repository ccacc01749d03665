// bzip2: compresses N kilobytes of text and decompresses them again.
#include "text.h"
#include <bzlib.h>
#include <string.h>

int main(int argc, char **argv) {
    size_t size = argument(argc, argv) * 1000;
    char *text = make_text(size), *packed = allocate(size + size / 50 + 1000), *unpacked = allocate(size);
    unsigned packed_size = (unsigned)(size + size / 50 + 1000), unpacked_size = (unsigned)size;
    if (BZ2_bzBuffToBuffCompress(packed, &packed_size, text, (unsigned)size, 9, 0, 0) != BZ_OK ||
        BZ2_bzBuffToBuffDecompress(unpacked, &unpacked_size, packed, packed_size, 0, 0) != BZ_OK ||
        unpacked_size != size || memcmp(text, unpacked, size) != 0) {
        fprintf(stderr, "bzip2: failed\n");
        return 1;
    }
    printf("%zu -> %u, %08x\n", size, packed_size, checksum(packed, packed_size));
}
