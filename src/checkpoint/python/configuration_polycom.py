"""The configuration of a polycom transformer for PyTorch's transformers, under Hugging Face's names."""

from transformers import PretrainedConfig


class PolycomConfig(PretrainedConfig):
    """A LLaMA-like decoder whose feed-forward networks have an activation of polycom, dense or a mixture of experts.

    Beside the fields that LLaMA has:

    activation: a name of ACTIVATIONS in activations_polycom.py.
    activation_order: the highest power of a polynomial activation.
    activation_options: what differs from the activation's defaults, such as {"epsilon": 1e-5}.
    gated: whether the activation takes two projections, gate_proj and up_proj.
    qk_norm: whether queries and keys are normalised as in OLMo, before heads and rotary embedding.
    dropout: on the embedding's output and each residual branch.
    num_experts: of a mixture; none for a dense model. The fields after it are OLMoE's, but for expert_coefficients:
        whether a layer's experts share their activation's coefficients (layer) or have their own (expert).
    """

    model_type = "polycom"

    def __init__(
        self,
        vocab_size=257,
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=None,
        head_dim=None,
        activation="polynorm",
        activation_order=3,
        activation_options=None,
        gated=False,
        qk_norm=False,
        dropout=0.0,
        max_position_embeddings=256,
        rope_theta=10000.0,
        rms_norm_eps=1e-5,
        initializer_range=0.02,
        use_cache=True,
        num_experts=None,
        num_experts_per_tok=None,
        norm_topk_prob=False,
        expert_coefficients="layer",
        router_aux_loss_coef=0.01,
        router_z_loss_coef=0.001,
        tie_word_embeddings=False,
        **kwargs,
    ):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_key_value_heads = num_attention_heads if num_key_value_heads is None else num_key_value_heads
        self.head_dim = hidden_size // num_attention_heads if head_dim is None else head_dim
        self.activation = activation
        self.activation_order = activation_order
        self.activation_options = {} if activation_options is None else activation_options
        self.gated = gated
        self.qk_norm = qk_norm
        self.dropout = dropout
        self.max_position_embeddings = max_position_embeddings
        self.rope_theta = rope_theta
        self.rms_norm_eps = rms_norm_eps
        self.initializer_range = initializer_range
        self.use_cache = use_cache
        self.num_experts = num_experts
        self.num_experts_per_tok = num_experts_per_tok
        self.norm_topk_prob = norm_topk_prob
        self.expert_coefficients = expert_coefficients
        self.router_aux_loss_coef = router_aux_loss_coef
        self.router_z_loss_coef = router_z_loss_coef
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)
