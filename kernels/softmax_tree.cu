// softmax_tree: the weights of classes that are the leaves of a tree.
//
//     softmax_tree_weights    targets[node] = targets[parent of node] + offsets[node]; of the root, offsets[root]
//     softmax_tree_grads      grads[node] = sum over its children of grads[child], for nodes that have children
//     softmax_tree_update     inc = mom * inc + (eps / n) * (grads - (wc / n) * weights); weights = weights + inc,
//                             for a node with n leaves under it
//
// All matrices (nodes, features). order (nodes) has each node after its parent; parents (nodes) is -1 for the root;
// the children of a node are children[starts[node]] to children[starts[node + 1] - 1]; leaves (nodes) is n.
//
// Down and up the tree: one thread for each feature, B_X to a block, goes through all nodes, so that neighbours
// read neighbouring features and nobody waits for anyone. Children are summed in their order, from 0. The update:
// one block for each node, whose B_X threads go along its features. Of the sum of products the first is fused, as
// is that of the weight.
//
// alexnet:src/softmaxtree.cu: kSoftmaxTreeFwd, kSoftmaxTreeBwd (a launch for each level of the tree there),
// kSoftmaxTreeUpdateWeights.

#include "common.cuh"

template <int B_X>
__device__ void softmax_tree_weights(const float* offsets, float* targets, const int* order, const int* parents,
                                     const int numNodes, const int numFeatures) {
    const int x = blockIdx.x * B_X + threadIdx.x;
    if (x < numFeatures) {
        for (int i = 0; i < numNodes; i++) {
            const long long node = order[i];
            const long long parent = parents[node];
            const float own = offsets[node * numFeatures + x];
            targets[node * numFeatures + x] = parent < 0 ? own : targets[parent * numFeatures + x] + own;
        }
    }
}

template <int B_X>
__device__ void softmax_tree_grads(float* grads, const int* order, const int* starts, const int* children,
                                   const int numNodes, const int numFeatures) {
    const int x = blockIdx.x * B_X + threadIdx.x;
    if (x < numFeatures) {
        for (int i = numNodes - 1; i >= 0; i--) {
            const long long node = order[i];
            const int end = starts[node + 1];
            if (starts[node] < end) {
                float sum = 0;
                for (int c = starts[node]; c < end; c++) {
                    sum += grads[static_cast<long long>(children[c]) * numFeatures + x];
                }
                grads[node * numFeatures + x] = sum;
            }
        }
    }
}

template <int B_X>
__device__ void softmax_tree_update(float* weights, float* inc, const float* grads, const int* leaves,
                                    const int numFeatures, const float eps, const float mom, const float wc) {
    const float nodeEps = eps / leaves[blockIdx.x];
    const float nodeWc = wc / leaves[blockIdx.x];
    const long long row = static_cast<long long>(blockIdx.x) * numFeatures;
    for (int x = threadIdx.x; x < numFeatures; x += B_X) {
        const float grad = fmaf(-nodeWc, weights[row + x], grads[row + x]);
        const float change = fmaf(mom, inc[row + x], nodeEps * grad);
        inc[row + x] = change;
        weights[row + x] += change;
    }
}
