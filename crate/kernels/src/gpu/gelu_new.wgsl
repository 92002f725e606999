
// GPT-2's activation function, of one number and of four. Beyond +-30 the sigmoid is 0 or 1 in f32, and WGSL promises
// nothing of larger exponentials.
fn gelu_new1(x: f32) -> f32 {
    let argument = x * (x * x * 0.0713548162726 + 1.5957691216);
    return x / (1.0 + exp(clamp(-argument, -30.0, 30.0)));
}
fn gelu_new4(x: vec4<f32>) -> vec4<f32> {
    let argument = x * (x * x * 0.0713548162726 + 1.5957691216);
    return x / (1.0 + exp(clamp(-argument, vec4<f32>(-30.0), vec4<f32>(30.0))));
}
