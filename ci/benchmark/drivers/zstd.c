// zstd: compresses N kilobytes of text at a fast, a usual and a strong level, and decompresses them again.
#include "text.h"
#include <string.h>
#include <zstd.h>

int main(int argc, char **argv) {
    size_t size = argument(argc, argv) * 1000, room = ZSTD_compressBound(size);
    char *text = make_text(size), *packed = allocate(room), *unpacked = allocate(size);
    const int levels[] = {1, 3, 12};
    for (int i = 0; i < 3; i++) {
        size_t packed_size = ZSTD_compress(packed, room, text, size, levels[i]);
        if (ZSTD_isError(packed_size) || ZSTD_decompress(unpacked, size, packed, packed_size) != size ||
            memcmp(text, unpacked, size) != 0) {
            fprintf(stderr, "zstd: failed at level %d\n", levels[i]);
            return 1;
        }
        printf("level %d: %zu -> %zu, %08x\n", levels[i], size, packed_size, checksum(packed, packed_size));
    }
}
