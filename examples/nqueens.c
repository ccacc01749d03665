// Counts the ways to place N queens on an N x N board, one recursion level a row.
//#Args: 8
//#Expect: 8 queens: 92 solutions, first 1 5 8 6 3 7 2 4
//#Hop: every=1 every=10 every=999
#include <stdio.h>
#include <stdlib.h>

#define MAX 16

struct board {
    int size;
    int column[MAX];
    int first[MAX];
    long solutions;
};

static int is_safe(const struct board *board, int row, int column) {
    for (int above = 0; above < row; above++) {
        int distance = row - above;
        int other = board->column[above];
        if (other == column || other == column - distance || other == column + distance) {
            return 0;
        }
    }
    return 1;
}

static void place(struct board *board, int row) {
    if (row == board->size) {
        if (board->solutions++ == 0) {
            for (int i = 0; i < row; i++) {
                board->first[i] = board->column[i];
            }
        }
        return;
    }
    for (int column = 0; column < board->size; column++) {
        if (is_safe(board, row, column)) {
            board->column[row] = column;
            place(board, row + 1);
        }
    }
}

int main(int argc, char **argv) {
    struct board board = {.size = argc > 1 ? atoi(argv[1]) : 8};
    if (board.size < 1 || board.size > MAX) {
        fprintf(stderr, "usage: %s [1..%d]\n", argv[0], MAX);
        return 2;
    }
    place(&board, 0);
    printf("%d queens: %ld solutions", board.size, board.solutions);
    for (int i = 0; board.solutions > 0 && i < board.size; i++) {
        printf("%s%d", i ? " " : ", first ", board.first[i] + 1);
    }
    putchar('\n');
    return 0;
}
