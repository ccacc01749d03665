// Analyses of LLVM's that the C interface does not offer.
#include "llvm-c/Core.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/BlockFrequencyInfo.h"
#include "llvm/Analysis/BranchProbabilityInfo.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Module.h"

using namespace llvm;

/// How often each block of `function` runs for one run of the function, by profile or by static heuristics.
/// `frequencies` has an entry a block, in the order of the function.
extern "C" void twin_block_frequencies(LLVMValueRef function, double *frequencies) {
  Function &F = *unwrap<Function>(function);
  DominatorTree DT(F);
  LoopInfo LI(DT);
  BranchProbabilityInfo BPI(F, LI);
  BlockFrequencyInfo BFI(F, BPI, LI);
  double Entry = BFI.getEntryFreq().getFrequency();
  for (BasicBlock &BB : F)
    *frequencies++ = BFI.getBlockFreq(&BB).getFrequency() / Entry;
}

/// For each block of `function` that heads a loop: how many times the loop can turn at most, or 0 if that is
/// unknown. `counts` has an entry a block, in the order of the function.
extern "C" void twin_loop_bounds(LLVMValueRef function, uint64_t *counts) {
  Function &F = *unwrap<Function>(function);
  DominatorTree DT(F);
  LoopInfo LI(DT);
  AssumptionCache AC(F);
  TargetLibraryInfoImpl Impl(F.getParent()->getTargetTriple());
  TargetLibraryInfo TLI(Impl);
  ScalarEvolution SE(F, TLI, AC, DT, LI);
  for (BasicBlock &BB : F) {
    const Loop *L = LI.getLoopFor(&BB);
    *counts++ = L && L->getHeader() == &BB ? SE.getSmallConstantMaxTripCount(L) : 0;
  }
}
