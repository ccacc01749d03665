// cJSON: makes a document of N records, prints it, parses it again, and looks things up in it.
#include "text.h"
#include <cJSON.h>
#include <string.h>

int main(int argc, char **argv) {
    size_t count = argument(argc, argv);
    char *text = make_text(count * 8 + 64);
    uint32_t random = 3;
    cJSON *records = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *record = cJSON_CreateObject(), *tags = cJSON_CreateArray();
        char name[24];
        snprintf(name, sizeof name, "%.20s", text + i * 8);
        cJSON_AddNumberToObject(record, "id", (double)i);
        cJSON_AddStringToObject(record, "name", name);
        cJSON_AddNumberToObject(record, "weight", next_random(&random) % 1000 / 8.0);
        cJSON_AddBoolToObject(record, "open", (cJSON_bool)(i % 3 == 0));
        for (uint32_t tag = next_random(&random) % 5; tag > 0; tag--) {
            cJSON_AddItemToArray(tags, cJSON_CreateNumber(tag));
        }
        cJSON_AddItemToObject(record, "tags", tags);
        cJSON_AddItemToArray(records, record);
    }
    char *printed = cJSON_Print(records);
    cJSON *parsed = cJSON_Parse(printed);
    if (!printed || !parsed || !cJSON_Compare(records, parsed, 1)) {
        fprintf(stderr, "json: failed\n");
        return 1;
    }
    double sum = 0;
    const cJSON *record;
    cJSON_ArrayForEach(record, parsed) {
        sum += cJSON_GetObjectItemCaseSensitive(record, "weight")->valuedouble;
        sum += cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(record, "tags"));
    }
    char *compact = cJSON_PrintUnformatted(parsed);
    printf("%zu records, %zu bytes, %08x, %.3f\n", count, strlen(printed), checksum(compact, strlen(compact)), sum);
}
