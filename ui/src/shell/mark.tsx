/** Three tokens, the first the strongest. */
export function Mark() {
  return (
    <svg width="30" height="30" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="#14171c" />
      <rect x="5" y="9" width="7" height="14" rx="2" fill="#fde725" />
      <rect x="13.5" y="9" width="5" height="14" rx="2" fill="#28ae80" />
      <rect x="20" y="9" width="7" height="14" rx="2" fill="#3b528b" />
    </svg>
  );
}
