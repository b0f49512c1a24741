/* (I + theta A) x = b by a block: lanes/stiff.h, sum for sum. */
#ifndef RELU_LANDSCAPE_BLOCK_STIFF_H
#define RELU_LANDSCAPE_BLOCK_STIFF_H

#include "../lanes/control.h"
#include "room.h"

/* Takes the stiff part at W, whose students have these lengths, for theta. */
INLINE void take_stiff_part(const Teacher *teacher, Room r, Board *board, const real *W, Lengths l,
                            real theta) {
  EACH(c, COORDINATES) {
    real sum = (real)0.0;
    for (int i = 0; i < STUDENTS; i++) sum = fma_(W[i * STRIDE + c], l.inverse[i], sum);
    r.unit_sum[c] = sum;
  }
  sync();
  if (warp() == 0) {
    const real squared = short_sum(r.unit_sum, r.unit_sum, COORDINATES);
    if (is_first_of_warp()) {
      board->mean_share = mean_share_of(theta, STUDENTS, (real)teacher->level);
      board->pull_share = pull_share_of(theta, STUDENTS, board->mean_share, squared);
    }
  }
}

/* Sums of b, and what follows from them for ``solved``. */
INLINE void prepare_for(Room r, Board *board, const real *W, Lengths l, const real *b) {
  EACH(c, COORDINATES) {
    real sum = (real)0.0;
    for (int i = 0; i < STUDENTS; i++) sum += b[i * STRIDE + c];
    r.column[c] = sum;
  }
  EACH_BACK(i, STUDENTS) {
    real sum = (real)0.0;
    for (int c = 0; c < COORDINATES; c++) sum = fma_(b[i * STRIDE + c], W[i * STRIDE + c], sum);
    r.row[i] = sum;
  }
  sync();
  if (warp() == 0) {
    const real summed = short_sum(r.unit_sum, r.column, COORDINATES);
    const real along_units = short_sum(r.row, l.inverse, STUDENTS);
    if (is_first_of_warp())
      board->pull = (along_units - board->mean_share * summed) * board->pull_share;
  }
  sync();
}

/* Entry (i, c) of the solution. */
INLINE real solved(Room r, const Board *board, int i, int c, real b, real w, Lengths l) {
  const real mean =
      board->mean_share * minus_product(board->pull, r.unit_sum[c], r.column[c]);
  return minus_product(board->pull * l.inverse[i], w, b - mean);
}

#endif
