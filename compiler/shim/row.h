// Rows of the call frame information: what it says of a place in a function.
#pragma once

#include "llvm/ADT/SmallVector.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCDwarf.h"

#include <cstdint>
#include <map>
#include <vector>

namespace twin {

/// The CFA, and where from it registers are saved.
struct FrameRow {
  unsigned Register = 0;
  int64_t Offset = 0;
  std::map<unsigned, int64_t> Saved;

  bool operator<(const FrameRow &Other) const;
};

/// The rows of one function, in order.
class FrameRows {
  /// The row that holds now, behind those that are remembered.
  llvm::SmallVector<FrameRow, 2> Stack;
  /// Equal rows have the same number.
  std::map<FrameRow, uint32_t> Numbers;

public:
  /// As a function begins; that row has number 0.
  explicit FrameRows(const llvm::MCAsmInfo &Info);
  /// Whether `follow` can.
  static bool understands(const llvm::MCCFIInstruction &Change);
  /// Goes to the next row.
  void follow(const llvm::MCCFIInstruction &Change);
  /// The number of the row that holds now.
  uint32_t number();
  /// Goes to the row with that number by instructions at `Here`, which it adds to `Out`.
  void goTo(uint32_t Number, llvm::MCSymbol *Here, std::vector<llvm::MCCFIInstruction> &Out);
};

} // namespace twin
