// SQLite: a fixed load of SQL statements on a database in memory, for N rows.
#include "text.h"
#include <sqlite3.h>
#include <string.h>

static sqlite3 *database;

static int print_row(void *unused, int columns, char **values, char **names) {
    (void)unused, (void)names;
    for (int i = 0; i < columns; i++) {
        printf("%s%s", i ? " | " : "", values[i] ? values[i] : "NULL");
    }
    printf("\n");
    return 0;
}

static void check(int status, int expected) {
    if (status != expected) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
        exit(1);
    }
}

static void run(const char *sql) { check(sqlite3_exec(database, sql, print_row, NULL, NULL), SQLITE_OK); }

int main(int argc, char **argv) {
    int rows = (int)argument(argc, argv);
    char *text = make_text((size_t)rows * 8 + 64);
    uint32_t random = 11;
    check(sqlite3_open(":memory:", &database), SQLITE_OK);
    run("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL, kind INTEGER);"
        "CREATE TABLE sale(item INTEGER, amount INTEGER, day INTEGER); BEGIN");
    sqlite3_stmt *item, *sale;
    check(sqlite3_prepare_v2(database, "INSERT INTO item VALUES(?,?,?,?)", -1, &item, NULL), SQLITE_OK);
    check(sqlite3_prepare_v2(database, "INSERT INTO sale VALUES(?,?,?)", -1, &sale, NULL), SQLITE_OK);
    for (int i = 0; i < rows; i++) {
        sqlite3_bind_int(item, 1, i);
        sqlite3_bind_text(item, 2, text + (size_t)i * 8, 20, SQLITE_STATIC);
        sqlite3_bind_double(item, 3, next_random(&random) % 10000 / 4.0);
        sqlite3_bind_int(item, 4, (int)(next_random(&random) % 20));
        check(sqlite3_step(item), SQLITE_DONE);
        sqlite3_reset(item);
        for (int sold = 0; sold < 2; sold++) {
            sqlite3_bind_int(sale, 1, (int)(next_random(&random) % (uint32_t)rows));
            sqlite3_bind_int(sale, 2, (int)(next_random(&random) % 9 + 1));
            sqlite3_bind_int(sale, 3, (int)(next_random(&random) % 365));
            check(sqlite3_step(sale), SQLITE_DONE);
            sqlite3_reset(sale);
        }
    }
    sqlite3_finalize(item);
    sqlite3_finalize(sale);
    run("COMMIT; CREATE INDEX sale_item ON sale(item); CREATE INDEX item_name ON item(name, kind);"
        "SELECT kind, count(*), sum(amount), round(sum(amount * price), 2) FROM item JOIN sale ON sale.item = item.id"
        " GROUP BY kind ORDER BY 4 DESC LIMIT 5;"
        "SELECT count(*), max(name) FROM item WHERE name LIKE '%ra%' AND name GLOB '*[0-9]*';"
        "UPDATE item SET price = price * 1.1 WHERE id IN (SELECT item FROM sale WHERE day BETWEEN 100 AND 120);"
        "DELETE FROM sale WHERE amount = 3;"
        "SELECT substr(name, 1, 3) AS prefix, count(DISTINCT kind), avg(length(name)) FROM item GROUP BY prefix"
        " HAVING count(*) > 2 ORDER BY count(*) DESC, prefix LIMIT 5;"
        "WITH RECURSIVE step(n, x) AS (SELECT 1, 1 UNION ALL SELECT n + 1, (x * 7 + n) % 1009 FROM step WHERE n < 2000)"
        " SELECT sum(x), group_concat(DISTINCT x % 5) FROM step;"
        "SELECT round(sum(price), 2), (SELECT count(*) FROM sale) FROM item");
    sqlite3_close(database);
}
