#include "fused_ops.h"

#include <string>

#include "report.h"

namespace fuzz {

double any_epsilon(random_source& random) { return random.one_of<double>({0, 1e-5, 0.1, 0.5}); }

namespace {

void choose_grouped(double* scalars, const size_map&, random_source& random) {
  scalars[0] = any_epsilon(random);
  scalars[1] = double(random.between(0, 1));
  scalars[2] = random.one_of<double>({0, 0.5, 1e6});
  scalars[3] = random.one_of<double>({0, 0.5});
  scalars[4] = random.one_of<double>({1, 0.5, 0, -3});
}

void choose_method(double* scalars, const size_map&, random_source& random) {
  scalars[0] = double(random.between(0, 2));
}

// pc_stream with as many tensors in and out.
fused_op stream_of(const char* name, size_t inputs, size_t outputs) {
  const shape x = matrix("rc");
  return {name, pc_stream, pc_stream_plan,
          {std::vector<shape>(inputs, x), std::vector<shape>(outputs, x), 1, false, choose_method}};
}

const std::map<std::string, pass>& passes() {
  static const std::map<std::string, pass> all = {
      {"rmsnorm_forward", {{matrix("rc"), {"c"}}, {matrix("rc")}, 1}},
      {"rmsnorm_backward", {{matrix("rc"), {"c"}, matrix("rc")}, {matrix("rc"), {"c"}}, 1}},
      {"addrmsnorm_forward", {{matrix("rtc"), matrix("rtc"), {"c"}}, {matrix("rtc"), matrix("rtc")}, 1}},
      {"addrmsnorm_backward", {{matrix("rc"), {"c"}, matrix("rc"), matrix("rc")}, {matrix("rc"), {"c"}}, 1}},
      {"attention_forward", {{matrix("rtHW"), matrix("rSKW"), matrix("rSKW"), {"r", '*'}}, {matrix("rtHW"), {"rHt"}}, 1, true}},
      {"attention_backward",
       {{matrix("rtHW"), matrix("rSKW"), matrix("rSKW"), {"r", '*'}, matrix("rtHW"), {"rHt"}, matrix("rtHW")},
        {matrix("rtHW"), matrix("rSKW"), matrix("rSKW")},
        1,
        true}},
      {"crossentropy_forward", {{matrix("rC"), {"r", 'C', -1}}, {{"r"}, {"r2"}}}},
      {"crossentropy_backward", {{matrix("rC"), {"r", 'C', -1}, {"r2"}, {"r"}}, {matrix("rC")}}},
      {"embedding_forward", {{matrix("Cc"), {"r", 'C'}}, {matrix("rc")}}},
      {"embedding_backward", {{matrix("Cc"), {"r", 'C'}, matrix("rc")}, {matrix("Cc")}}},
      {"rotary_forward", {{matrix("rthD"), {"PD"}, {"r", 's'}}, {matrix("rthD")}}},
      {"rotary_backward", {{{"PD"}, {"r", 's'}, matrix("rthD")}, {matrix("rthD")}}},
      {"dropout_forward", {{matrix("rtc"), {"2", '*'}}, {matrix("rtc")}, 1}},
      {"dropout_backward", {{{"2", '*'}, matrix("c")}, {matrix("c")}, 1}},
      {"groupedpolynorm_forward",
       {{matrix("rc"), {"gR"}, {"g"}, offsets, {"u"}}, {matrix("rc")}, 5, true, choose_grouped}},
      {"groupedpolynorm_backward",
       {{matrix("rc"), {"gR"}, {"g"}, offsets, {"u"}, matrix("rc")},
        {matrix("rc"), {"gR"}, {"g"}, {"u"}},
        5,
        true,
        choose_grouped}},
      {"groupedpolynormglu_forward",
       {{matrix("rc"), matrix("rc"), {"gR"}, {"g"}, offsets, {"u"}},
        {matrix("rc")},
        5,
        true,
        choose_grouped}},
      {"groupedpolynormglu_backward",
       {{matrix("rc"), matrix("rc"), {"gR"}, {"g"}, offsets, {"u"}, matrix("rc")},
        {matrix("rc"), matrix("rc"), {"gR"}, {"g"}, {"u"}},
        5,
        true,
        choose_grouped}},
  };
  return all;
}

}  // namespace

const std::vector<fused_op>& fused_ops() {
  struct functions {
    const char* name;
    pc_status (*run)(pc_queue*, const pc_args*);
    pc_status (*plan)(const pc_queue*, pc_args*);
  };
  static const std::vector<fused_op> all = [] {
#define PC_LIST(name, ...)                                           \
  {#name "_forward", pc_##name##_forward, pc_##name##_forward_plan}, \
      {#name "_backward", pc_##name##_backward, pc_##name##_backward_plan},
    const functions listed[] = {PC_TRANSFORMER_OPS(PC_LIST)};
#undef PC_LIST
    std::vector<fused_op> made;
    for (const functions& f : listed) {
      const auto found = passes().find(f.name);
      expect(found != passes().end(), "the table of fused_ops.cpp lacks %s", f.name);
      made.push_back({f.name, f.run, f.plan, found->second});
    }
    for (const fused_op& stream :
         {stream_of("stream 1:1", 1, 1), stream_of("stream 2:1", 2, 1), stream_of("stream 3:1", 3, 1),
          stream_of("stream 1:2", 1, 2), stream_of("stream 2:2", 2, 2), stream_of("stream 3:2", 3, 2)})
      made.push_back(stream);
    return made;
  }();
  return all;
}

}  // namespace fuzz
