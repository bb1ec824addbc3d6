{
  # For node-gyp and prebuildify; CMakeLists.txt says what is compiled.
  "targets": [
    {
      "target_name": "tokenlense",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          # Never made, so that CMake is always asked what has changed.
          "outputs": ["<(PRODUCT_DIR)/tokenlense.always"],
          "action": ["node", "<(module_root_dir)/dist/install/main.js", "--build"],
        }
      ],
    }
  ]
}
