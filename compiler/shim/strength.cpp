// Loop strength reduction on the common IR: in the code generators it is off, as each would find other values to keep from
// turn to turn, and what lives across a poll has a slot. Only where it pays (docs/bench.md): in small loops of one block without
// calls. In others its values compete for registers, or have to be kept across the calls.
#include "llvm-c/Core.h"
#include "llvm-c/TargetMachine.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopStrengthReduce.h"

using namespace llvm;

namespace {

bool pays(const Loop &L) {
  constexpr size_t MostInstructions = 128;
  const BasicBlock &Body = *L.getHeader();
  return L.getNumBlocks() == 1 && Body.size() <= MostInstructions && none_of(Body, [](const Instruction &I) {
           return isa<CallBase>(I) && !isa<IntrinsicInst>(I);
         });
}

struct ReduceStrength : PassInfoMixin<ReduceStrength> {
  PreservedAnalyses run(Loop &L, LoopAnalysisManager &AM, LoopStandardAnalysisResults &Results, LPMUpdater &Updater) {
    return pays(L) ? LoopStrengthReducePass().run(L, AM, Results, Updater) : PreservedAnalyses::all();
  }
};

} // namespace

/// Reduces strength in the loops of `module` where it pays, by what addresses `machine` can form.
extern "C" void twin_reduce_strength(LLVMModuleRef module, LLVMTargetMachineRef machine) {
  PassBuilder Builder(reinterpret_cast<TargetMachine *>(machine));
  LoopAnalysisManager Loops;
  FunctionAnalysisManager Functions;
  CGSCCAnalysisManager Components;
  ModuleAnalysisManager Modules;
  Builder.registerModuleAnalyses(Modules);
  Builder.registerCGSCCAnalyses(Components);
  Builder.registerFunctionAnalyses(Functions);
  Builder.registerLoopAnalyses(Loops);
  Builder.crossRegisterProxies(Loops, Functions, Components, Modules);
  createModuleToFunctionPassAdaptor(createFunctionToLoopPassAdaptor(ReduceStrength())).run(*unwrap(module), Modules);
}
