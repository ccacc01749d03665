// Analyses of LLVM's that the C interface does not offer.
#include "llvm-c/Core.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/BlockFrequencyInfo.h"
#include "llvm/Analysis/BranchProbabilityInfo.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Instructions.h"
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

namespace {

// Whether every turn of `L` that is followed by another runs `BB`.
bool runsEachTurn(const Loop &L, const BasicBlock *BB, const DominatorTree &DT) {
  SmallVector<BasicBlock *, 4> Latches;
  L.getLoopLatches(Latches);
  return all_of(Latches, [&](const BasicBlock *Latch) { return DT.dominates(BB, Latch); });
}

// Bytes of the local or global variable that `Pointer` points into, or 0.
uint64_t objectSize(const SCEV *Pointer, ScalarEvolution &SE, const DataLayout &DL) {
  const auto *Base = dyn_cast<SCEVUnknown>(SE.getPointerBase(Pointer));
  const Value *Object = Base ? getUnderlyingObject(Base->getValue()) : nullptr;
  std::optional<TypeSize> Size;
  if (const auto *Local = dyn_cast_or_null<AllocaInst>(Object))
    Size = Local->getAllocationSize(DL);
  else if (const auto *Global = dyn_cast_or_null<GlobalVariable>(Object); Global && Global->hasDefinitiveInitializer())
    Size = DL.getTypeAllocSize(Global->getValueType());
  return Size && !Size->isScalable() ? Size->getFixedValue() : 0;
}

// A loop that walks through a variable in steps of one size ends, if not earlier, at the end of the variable.
uint64_t boundByObject(const Loop &L, Instruction &I, ScalarEvolution &SE) {
  const Value *Pointer = getLoadStorePointerOperand(&I);
  if (!Pointer)
    return 0;
  const auto *Walk = dyn_cast<SCEVAddRecExpr>(SE.getSCEV(const_cast<Value *>(Pointer)));
  const auto *Step = Walk && Walk->getLoop() == &L ? dyn_cast<SCEVConstant>(Walk->getStepRecurrence(SE)) : nullptr;
  if (!Step || !Walk->isAffine() || Step->getAPInt().isZero())
    return 0;
  uint64_t Bytes = Step->getAPInt().abs().getLimitedValue();
  uint64_t Size = objectSize(Walk, SE, I.getDataLayout());
  return Size ? Size / Bytes + 1 : 0;
}

// A loop that divides a number and ends when that is 0 turns at most once for each of its bits (plus once).
uint64_t boundByDivision(const Loop &L, Instruction &I) {
  auto *Branch = dyn_cast<BranchInst>(&I);
  auto *Compare = Branch && Branch->isConditional() ? dyn_cast<ICmpInst>(Branch->getCondition()) : nullptr;
  auto *Limit = Compare ? dyn_cast<ConstantInt>(Compare->getOperand(1)) : nullptr;
  if (!Limit)
    return 0;
  auto IsDivided = [&](Value *V) {
    auto *Phi = dyn_cast<PHINode>(V);
    auto *Division = dyn_cast<BinaryOperator>(V);
    if (Phi && Phi->getParent() == L.getHeader() && L.getLoopLatch())
      Division = dyn_cast<BinaryOperator>(Phi->getIncomingValueForBlock(L.getLoopLatch()));
    if (!Division || Division->getOpcode() != Instruction::UDiv)
      return false;
    auto *From = dyn_cast<PHINode>(Division->getOperand(0));
    auto *By = dyn_cast<ConstantInt>(Division->getOperand(1));
    return By && By->getValue().ugt(1) && From && From->getParent() == L.getHeader() && L.getLoopLatch() &&
           From->getIncomingValueForBlock(L.getLoopLatch()) == Division;
  };
  APInt Zero(Limit->getBitWidth(), 0);
  bool TakenAtZero = ICmpInst::compare(Zero, Limit->getValue(), Compare->getPredicate());
  if (!IsDivided(Compare->getOperand(0)) || L.contains(Branch->getSuccessor(TakenAtZero ? 0 : 1)))
    return 0;
  return Limit->getBitWidth() + 1;
}

} // namespace

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
    uint64_t Bound = 0;
    if (L && L->getHeader() == &BB) {
      Bound = SE.getSmallConstantMaxTripCount(L);
      auto Take = [&](uint64_t Other) { Bound = Bound && Other ? std::min(Bound, Other) : std::max(Bound, Other); };
      for (BasicBlock *Block : L->blocks())
        if (LI.getLoopFor(Block) == L && runsEachTurn(*L, Block, DT))
          for (Instruction &I : *Block) {
            Take(boundByObject(*L, I, SE));
            Take(boundByDivision(*L, I));
          }
    }
    *counts++ = Bound;
  }
}
