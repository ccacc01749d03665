// Loop strength reduction on the common IR: in the code generators it is off, as each would find other values to keep from
// turn to turn, and what lives across a poll has a slot. Only where it pays (docs/bench.md): in small loops of one block without
// calls. In others its values compete for registers, or have to be kept across the calls.
#include "llvm-c/Core.h"
#include "llvm-c/TargetMachine.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Analysis/TargetTransformInfoImpl.h"
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

/// What loop strength reduction asks about one ISA, but that no address may be further from its base than the other one reaches.
class Reach : public TargetTransformInfoImplBase {
  TargetTransformInfo Of, Other;

public:
  Reach(TargetTransformInfo Of, TargetTransformInfo Other, const DataLayout &DL)
      : TargetTransformInfoImplBase(DL), Of(std::move(Of)), Other(std::move(Other)) {}

  bool isLegalAddressingMode(Type *Ty, GlobalValue *BaseGV, int64_t BaseOffset, bool HasBaseReg, int64_t Scale,
                             unsigned AddrSpace, Instruction *I, int64_t ScalableOffset) const override {
    return (!BaseOffset || BaseGV || Other.isLegalAddressingMode(Ty, nullptr, BaseOffset, true, 0, AddrSpace)) &&
           Of.isLegalAddressingMode(Ty, BaseGV, BaseOffset, HasBaseReg, Scale, AddrSpace, I, ScalableOffset);
  }
  InstructionCost getScalingFactorCost(Type *Ty, GlobalValue *BaseGV, StackOffset BaseOffset, bool HasBaseReg,
                                       int64_t Scale, unsigned AddrSpace) const override {
    return Of.getScalingFactorCost(Ty, BaseGV, BaseOffset, HasBaseReg, Scale, AddrSpace);
  }
  TTI::AddressingModeKind getPreferredAddressingMode(const Loop *L, ScalarEvolution *SE) const override {
    return Of.getPreferredAddressingMode(L, SE);
  }
  bool isLegalAddImmediate(int64_t Imm) const override { return Of.isLegalAddImmediate(Imm); }
  bool isLegalICmpImmediate(int64_t Imm) const override { return Of.isLegalICmpImmediate(Imm); }
  bool isTruncateFree(Type *From, Type *To) const override { return Of.isTruncateFree(From, To); }
  bool isNumRegsMajorCostOfLSR() const override { return Of.isNumRegsMajorCostOfLSR(); }
  bool shouldDropLSRSolutionIfLessProfitable() const override { return Of.shouldDropLSRSolutionIfLessProfitable(); }
  bool isLSRCostLess(const TTI::LSRCost &A, const TTI::LSRCost &B) const override { return Of.isLSRCostLess(A, B); }
  bool isProfitableLSRChainElement(Instruction *I) const override { return Of.isProfitableLSRChainElement(I); }
  bool canMacroFuseCmp() const override { return Of.canMacroFuseCmp(); }
  bool LSRWithInstrQueries() const override { return Of.LSRWithInstrQueries(); }
  unsigned getNumberOfRegisters(unsigned Class) const override { return Of.getNumberOfRegisters(Class); }
  unsigned getRegisterClassForType(bool Vector, Type *Ty) const override { return Of.getRegisterClassForType(Vector, Ty); }
};

struct ReduceStrength : PassInfoMixin<ReduceStrength> {
  PreservedAnalyses run(Loop &L, LoopAnalysisManager &AM, LoopStandardAnalysisResults &Results, LPMUpdater &Updater) {
    return pays(L) ? LoopStrengthReducePass().run(L, AM, Results, Updater) : PreservedAnalyses::all();
  }
};

} // namespace

/// Reduces strength in the loops of `module` where it pays, by what addresses `home` can form within the reach of `visitor`.
extern "C" void twin_reduce_strength(LLVMModuleRef module, LLVMTargetMachineRef home, LLVMTargetMachineRef visitor) {
  auto &Home = *reinterpret_cast<TargetMachine *>(home), &Visitor = *reinterpret_cast<TargetMachine *>(visitor);
  // Functions of the module are for one processor; this one is for any.
  Module Other("", unwrap(module)->getContext());
  Other.setDataLayout(Visitor.createDataLayout());
  const Function &Any = *Function::Create(FunctionType::get(Type::getVoidTy(Other.getContext()), false),
                                          GlobalValue::ExternalLinkage, "any", Other);
  PassBuilder Builder(&Home);
  LoopAnalysisManager Loops;
  FunctionAnalysisManager Functions;
  CGSCCAnalysisManager Components;
  ModuleAnalysisManager Modules;
  Functions.registerPass([&] {
    return TargetIRAnalysis([&](const Function &F) {
      return TargetTransformInfo(std::make_unique<Reach>(Home.getTargetTransformInfo(F), Visitor.getTargetTransformInfo(Any),
                                                         F.getDataLayout()));
    });
  });
  Builder.registerModuleAnalyses(Modules);
  Builder.registerCGSCCAnalyses(Components);
  Builder.registerFunctionAnalyses(Functions);
  Builder.registerLoopAnalyses(Loops);
  Builder.crossRegisterProxies(Loops, Functions, Components, Modules);
  createModuleToFunctionPassAdaptor(createFunctionToLoopPassAdaptor(ReduceStrength())).run(*unwrap(module), Modules);
}
